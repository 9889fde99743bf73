"""restart_sink: a sink that is run again when it has ended, after a wait."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.errors import ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import inner_sink
from rt_edge.streams.stage import Outlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._backoff import Restarting
from rt_edge.streams.stages._restart import RestartSinkLogic


class RestartSink(Restarting, frozen=True, kw_only=True):
    """Runs elements into a sink that is run again after a wait when it has ended.

    What a sink held when it ended fails towards its origin, which emits it again; elements without an origin are lost with it.

    Emits when: -
    Backpressures when: the sink does, or has ended and is not run again so far.
    Completes when: upstream completes and the sink has ended.
    Cancels when: the sink has ended for good.
    On restart: the sink is run again; this stage itself is not restarted.

    Attributes:
        sink: a Sink, or () -> Sink, called for each run.
        steps: the sink in a configuration: steps as in a graph, the last of which takes all, like `to_path`.
    """

    kind: ClassVar[str] = "restart_sink"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.END
    shorthand: ClassVar[str] = "steps"

    sink: Any = None
    steps: list[Any] = []

    def __post_init__(self) -> None:
        """Refuse waits that make no sense, and what is no sink, as far as that is known before it is made."""
        super().__post_init__()
        if self.sink is None and not self.steps:
            raise ConfigError("there is nothing to be run again", "say what: steps: [{to_path: ...}]")
        self.known()

    def known(self) -> Blueprint | None:
        """What is run, if that is known before a function makes it."""
        return None if callable(self.sink) and not hasattr(self.sink, "blueprint") else inner_sink(self.sink, self.steps)

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A logic that counts the runs."""
        return RestartSinkLogic(self)
