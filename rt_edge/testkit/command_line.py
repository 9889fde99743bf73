"""A command of `rt-edge` as a process of its own, for tests whose peers live in the event loop."""

from __future__ import annotations

import asyncio
import sys

from rt_edge.data.errors import InternalError

LIMIT_S = 60.0


async def command(*arguments: str, code: int = 0, within: float = LIMIT_S) -> str:
    """What `rt-edge ARGUMENTS` prints.

    Raises:
        InternalError: another exit code than `code`; with what it said on stderr.
        TimeoutError: it did not end in time; it was killed.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rt_edge.cli.app", *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(within):
            out, error = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != code:
        raise InternalError(f"rt-edge {' '.join(arguments)} ended with {process.returncode}: {error.decode(errors='replace')}")
    return out.decode()
