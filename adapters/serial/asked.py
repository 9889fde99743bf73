"""Whether the life before may have asked something whose reply is still to come: a process that was killed tells nobody."""

from __future__ import annotations

from rt_edge.sdk.adapter import AdapterContext

FILE = "asking"
"""In the adapter's own directory, while a line is open on which requests are sent, and after it if a reply was still to come.
Not synced: what a power cut leaves out has no reply to wait for either, or costs a pause."""


class Asked:
    """The mark of a life that asks. What is wrong with its file is counted (`asked_problems`) and logged; it stops nothing.

    Args:
        context: of the adapter.
    """

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._path = context.data / FILE

    def begin(self) -> bool:
        """A line is open, and will be asked; returns whether a life before ended without a word, or while a reply was to come."""
        try:
            self._path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            return True
        except OSError as error:
            self._complain(error)
        return False

    def end(self) -> None:
        """The line is closed, and no reply is still to come."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        self._context.count("asked_problems")
        problem = f"{FILE} cannot be written or removed, a late reply to a killed process may be misread: {error}"
        self._context.log("warning", problem)
