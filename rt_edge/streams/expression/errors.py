"""The error of an expression that cannot be compiled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rt_edge.data.errors import ConfigError


class ExpressionError(ConfigError):
    """An expression in the settings is wrong.

    Args:
        reason: what is wrong.
        column: where, in characters of the expression, counted from 1.
        source: the expression.
        hint: what to do about it (may be empty).
    """

    code: ClassVar[str] = "RTE220"

    def __init__(self, reason: str, column: int, source: str, hint: str = "") -> None:
        super().__init__(f"expression, column {column}: {reason}", hint)
        self.args = (reason, column, source, hint)
        self.reason = reason
        self.column = column
        self.source = source


class AssignmentErrors(ExpressionError):
    """Several assignments are wrong; as an error by itself it is the first one.

    Args:
        by_target: name of the field -> what is wrong with its expression; not empty.
    """

    code: ClassVar[str] = "RTE221"

    def __init__(self, by_target: Mapping[str, ExpressionError]) -> None:
        first = next(iter(by_target.values()))
        super().__init__(first.reason, first.column, first.source, first.hint)
        self.args = (dict(by_target),)
        self.by_target = dict(by_target)
