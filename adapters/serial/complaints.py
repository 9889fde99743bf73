"""Bad frames: counted by reason each, said in the log once a reason."""

from __future__ import annotations

from adapters.serial.codec import FrameError
from rt_edge.sdk import AdapterContext


class Complaints:
    """What is wrong with frames.

    Args:
        context: where it is counted and said.
    """

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._said: set[str] = set()  # reasons are words of ours: a dozen

    def frame(self, source: str, error: FrameError) -> None:
        """A frame of `source` is dropped."""
        self._context.count(f"dropped_{error.reason}")
        if error.reason not in self._said:
            self._said.add(error.reason)
            self._context.log("warning", f"{source}: a frame is dropped, and so are others like it: {error.message}")
