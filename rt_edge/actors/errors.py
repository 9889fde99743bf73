"""What asking a node can come to; free of Thespian, so that a command that asks nobody need not load it."""

from __future__ import annotations

from rt_edge.data.errors import TransientError


class NoNode(TransientError):
    """There is no node to ask, it belongs to somebody else, or it does not answer."""

    code = "RTE320"


class AskTimeout(NoNode):
    """The node is there, and an actor of it did not answer in time."""

    code = "RTE321"
