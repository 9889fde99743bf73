"""Listened: who is told of a change, and who is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.drop_policy import DropPolicy
from rt_edge.streams.listeners import Listened
from rt_edge.streams.routing.weights import Priorities


def changed_policy() -> tuple[Listened, Callable[[], None], Callable[[], None]]:
    """A control object, a change of it, and one that is refused."""
    policy = DropPolicy()
    return policy, lambda: policy.set("drop_new"), lambda: policy.set("drop_some")  # type: ignore[arg-type]


def changed_priorities() -> tuple[Listened, Callable[[], None], Callable[[], None]]:
    """A control object, a change of it, and one that is refused."""
    priorities = Priorities()
    return priorities, lambda: priorities.set("a", 3), lambda: priorities.set("a", -1)


@pytest.mark.parametrize("make", [changed_policy, changed_priorities])
def test_each_listener_is_told_once_a_change_until_it_ends(
    make: Callable[[], tuple[Listened, Callable[[], None], Callable[[], None]]],
) -> None:
    """In the order of listening, after the change; not of what is refused. To end twice ends nobody else."""
    control, change, wrong = make()
    told: list[str] = []
    end = control.listen(lambda: told.append("first"))
    control.listen(lambda: told.append("second"))
    change()
    with pytest.raises(ConfigError):
        wrong()
    assert told == ["first", "second"]
    end()
    end()
    change()
    assert told == ["first", "second", "second"]


def test_listener_may_look_and_leave_when_it_is_told() -> None:
    """It is called outside of the lock."""
    policy = DropPolicy()
    seen: list[str] = []

    def once() -> None:
        seen.append(policy.policy)
        end()

    end = policy.listen(once)
    policy.set("fail")
    policy.set("drop_head")
    assert seen == ["fail"]
