"""restart_source: a source that is run again when it has ended, after a wait."""

from __future__ import annotations

from typing import Any

from rt_edge.streams.stage import Inlet, StageLogic
from rt_edge.streams.stages._backoff import Restarting
from rt_edge.streams.stages._restart import RestartSourceLogic


class RestartSource(Restarting, frozen=True, kw_only=True):
    """Runs a source, and again after a wait when it has ended.

    Emits when: the source does.
    Backpressures when: downstream does; nothing comes while a source that has ended is not run again so far.
    Completes when: the source completes and `only_failures`, or it may not be run again; it fails with the source's error.
    Cancels when: -
    On restart: the source is run again; this stage itself is not restarted.

    Attributes:
        source: a Source, Publisher or iterable, or () -> one of them, called for each run.
    """

    source: Any

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A logic that counts the runs."""
        return RestartSourceLogic(self)
