"""DropPolicy: what happens to an element too many, as a control object that is changed while streams run."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Literal, get_args

from rt_edge.data.errors import ConfigError

Policy = Literal["backpressure", "drop_head", "drop_tail", "drop_buffer", "drop_new", "fail"]


class DropPolicy:
    """The policy of now; any thread may read and set it, and several stages may obey it.

    Args:
        policy: to begin with.

    Raises:
        ConfigError: there is no such policy.
    """

    def __init__(self, policy: Policy = "backpressure") -> None:
        self._policy: Policy = checked(policy)
        self._lock = Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def policy(self) -> Policy:
        """What counts now."""
        return self._policy

    def set(self, policy: Policy) -> None:
        """From now on; what was dropped stays dropped.

        Raises:
            ConfigError: there is no such policy.
        """
        with self._lock:
            self._policy = checked(policy)
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` after each change, in the thread that made it; returns what ends this."""
        with self._lock:
            self._listeners.append(changed)

        def end() -> None:
            with self._lock:
                if changed in self._listeners:
                    self._listeners.remove(changed)

        return end


def checked(policy: str) -> Policy:
    """`policy`, if it is one.

    Raises:
        ConfigError: it is none.
    """
    for known in get_args(Policy):
        if policy == known:
            return known  # type: ignore[no-any-return]  # typing knows no type of what get_args gives
    raise ConfigError(f"there is no drop policy {policy!r}", "there are " + ", ".join(get_args(Policy)))
