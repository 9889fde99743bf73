"""A process of its own: opens the adapter, prints each Reading's key, settles nothing, waits to be killed.

Arguments: port, data directory, version, number of Readings to ask for.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.adapters.mqtt.bench import harness


async def main(port: int, folder: Path, version: str, n: int) -> None:
    h = harness(port, folder, version=version)
    await h.open()
    h.demand(n)
    for wanted in range(1, n + 1):
        await h.received(wanted, within=60)
        one = h.emitted[wanted - 1]
        print(one.session, one.key.hex(), one.redelivered, one.reading.fields["value"], flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
