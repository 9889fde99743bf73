"""A process of its own: opens the adapter, settles each Reading and then prints it (device, value), waits to be killed.

Arguments: port, data directory, version, client.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.adapters.mqtt.bench import harness


async def main(port: int, folder: Path, version: str, client: str) -> None:
    h = harness(port, folder, version=version, client=client)
    await h.open()
    h.demand(100)
    for n in range(100):
        await h.received(n + 1, within=60)
        h.settle(n + 1)
        print(h.readings[n].source, h.readings[n].fields["value"], flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
