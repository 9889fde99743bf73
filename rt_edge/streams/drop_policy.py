"""DropPolicy: what happens to an element too many, as a control object that is changed while streams run."""

from __future__ import annotations

from typing import Literal, get_args

from rt_edge.data.errors import ConfigError
from rt_edge.streams.listeners import Listened

Policy = Literal["backpressure", "drop_head", "drop_tail", "drop_buffer", "drop_new", "fail"]


class DropPolicy(Listened):
    """The policy of now; any thread may read and set it, and several stages may obey it.

    Args:
        policy: to begin with.

    Raises:
        ConfigError: there is no such policy.
    """

    def __init__(self, policy: Policy = "backpressure") -> None:
        super().__init__()
        self._policy: Policy = checked(policy)

    @property
    def policy(self) -> Policy:
        """What counts now."""
        return self._policy

    def set(self, policy: Policy) -> None:
        """From now on; what was dropped stays dropped.

        Raises:
            ConfigError: there is no such policy.
        """
        self.change(lambda: setattr(self, "_policy", checked(policy)))


def checked(policy: str) -> Policy:
    """`policy`, if it is one.

    Raises:
        ConfigError: it is none.
    """
    for known in get_args(Policy):
        if policy == known:
            return known  # type: ignore[no-any-return]  # typing knows no type of what get_args gives
    raise ConfigError(f"there is no drop policy {policy!r}", "there are " + ", ".join(get_args(Policy)))
