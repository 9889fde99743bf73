"""The error of an expression that cannot be compiled."""

from __future__ import annotations

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
