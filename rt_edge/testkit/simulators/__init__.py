"""Devices to try rt_edge with, one kind a module; behind `rt-edge simulate KIND`, and in the demo.

Each is an asynchronous context manager (see `Simulator`): entered, its devices are there; left, they are gone.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, Self


class Simulator(Protocol):
    """Devices that are there while it is entered."""

    async def __aenter__(self) -> Self:
        """Start them; returns when they can be reached."""
        ...

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End them; nothing of them is left."""
        ...

    def says(self) -> list[str]:
        """Lines for a person: what is there, and where."""
        ...

    def adapters(self) -> dict[str, Any]:
        """The section `adapters` of a configuration that reads them."""
        ...

    def environment(self) -> dict[str, str]:
        """What the node that reads them needs in its environment."""
        ...

    def counts(self) -> dict[str, int]:
        """What has happened so far, for a person."""
        ...


__all__ = ["Simulator"]
