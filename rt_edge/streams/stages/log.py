"""log: what passes, in the log, not more often than is good."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import Chunk
from rt_edge.data.units import Duration
from rt_edge.streams.stage import OUT, Inlet, Outlet, Stage, StageLogic, Supervision
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._judging import check_by, judge_of
from rt_edge.streams.stages._user_code import PassLogic
from rt_edge.telemetry.log import get_logger

TEXT = 500
"""Characters of an element in a line, at most."""


class Log(Stage, frozen=True, kw_only=True):
    """Writes elements to the log, and how the stream ended; all elements pass. A line has the graph node and the element.

    Not more than `most` lines of elements in `per`: the next line says how many elements had none (`unlogged`).

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        value: what is written: an expression on a reading, a function of an element, or None: the element. If it raises,
            the error is written, and the element passes.
        level: of the lines; that of a failed stream is error.
        most: lines of elements in `per`; 0: none, only the end of the stream.
        per: see `most`.
        fields: written with each line.
    """

    kind: ClassVar[str] = "log"
    shorthand: ClassVar[str] = "value"

    value: Any = None
    level: Literal["debug", "info", "warning", "error"] = "info"
    most: int = 10
    per: Duration | float = 1.0
    fields: dict[str, str] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be written and no time."""
        if self.value is not None:
            check_by("value", self.value)
        at_least(0, most=self.most)
        at_least(0.001, per=self.per)

    def create_logic(self) -> StageLogic:
        """A logic that counts lines."""
        return _Logic(self)


class _Logic(PassLogic):
    def __init__(self, stage: Log) -> None:
        self._stage = stage
        self._judge = judge_of(stage.value, Supervision.RESUME) if stage.value is not None else None
        self._until = float("-inf")
        self._left = stage.most
        self._unlogged = 0
        self._passed = 0

    def on_start(self) -> None:
        log = get_logger("streams", node=self.ctx.name, **(self._stage.fields or {}))
        self._error = log.error
        self._write = getattr(log, self._stage.level)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        now = self.ctx.clock.monotonic()
        if now >= self._until:
            self._until = now + float(self._stage.per)
            self._left = self._stage.most
        lines = min(self._left, len(chunk))
        if lines:
            self._left -= lines
            self._write_elements(chunk.items[:lines])
        self._unlogged += len(chunk) - lines
        self._passed += len(chunk)
        self.push(OUT, chunk)

    def _write_elements(self, items: Any) -> None:
        failed: dict[int, Exception] = {}
        if self._judge is not None:
            items, missing, failures = self._judge(items)
            failed = dict(failures)
            if missing:
                self.ctx.count("missing_field", missing)
            if failed:
                self.ctx.count("errors", len(failed))
        for place, item in enumerate(items):
            said = {"element": _short(item)} if place not in failed else {"error": _short(failed[place])}
            if self._unlogged:
                said["unlogged"] = str(self._unlogged)
                self._unlogged = 0
            self._write("element", **said)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._write("stream completed", elements=self._passed)
        self.complete_stage()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        self._error("stream failed", elements=self._passed, error=_short(error))
        self.fail_stage(error)

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        if cause is None:
            self._write("stream cancelled", elements=self._passed)
        else:
            self._error("stream cancelled", elements=self._passed, error=_short(cause))
        self.cancel_stage(cause)


def _short(value: Any) -> str:
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception as error:  # noqa: BLE001 - a broken repr must not end the stream
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= TEXT else text[: TEXT - 1] + "…"
