"""`python -m rt_edge.settings.child CONFIG`: check a configuration, write the result as MessagePack to stdout.

A process of its own, so that the memory of pydantic and ruamel.yaml ends with it (design 6). Exit code 0 with a plan, 3 without.
Who needs more checks (the planner) or other kinds runs its own module with `main(argv, load)`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rt_edge.settings.load import Checked, load
from rt_edge.settings.plan import encode_result


def main(argv: Sequence[str], loader: Callable[[Path], Checked] = load) -> int:
    """Check the file `argv[0]`, write the encoded PlanResult; returns the exit code."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m rt_edge.settings.child CONFIG\n")
        return 2
    checked = loader(Path(argv[0]))
    sys.stdout.buffer.write(encode_result(checked.result()))
    sys.stdout.buffer.flush()
    return 0 if checked.plan is not None else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
