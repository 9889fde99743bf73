"""Listeners: those who are told when a control object has been changed, while streams obey it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock


class Listened:
    """Base of control objects that any thread may change; who obeys one is told."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._listeners: list[Callable[[], None]] = []

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` after each change, in the thread that made it; returns what ends this."""
        with self._lock:
            self._listeners.append(changed)

        def end() -> None:
            with self._lock:
                if changed in self._listeners:
                    self._listeners.remove(changed)

        return end

    def change(self, make: Callable[[], None]) -> None:
        """Have `make` change it, one thread at a time, and tell the listeners; nobody is told if it raises."""
        with self._lock:
            make()
            listeners = list(self._listeners)
        for listener in listeners:
            listener()
