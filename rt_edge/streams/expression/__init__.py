"""Expressions over a `Reading`, as written in a configuration: `temperature > -40`, `pressure * 14.5038`.

A subset of Python's expressions. Names are fields; `source`, `quality` and `ts` are the reading's own, `tags['line']` is a tag,
`fields['motor temp']` is a field whose name is not an identifier; `true` and `false` may be written as in YAML. Operators:
`+ - * / // % **`, `& | ^ ~ << >>`, `== != < <= > >=` (chains too), `and or not`, `a if b else c`, and `in` on a literal list.
Functions: see `functions.FUNCTIONS`; `has(x)` asks whether a field or tag is there.

What is missing: a filter takes an expression with a missing field (or tag) as false, an assignment leaves its field as it
was; both count it. What is wrong in the text is an `ExpressionError` with its column, when the text is compiled. What is
wrong with a value (text where a number was expected, a division by zero, an integer that fits no 64 bits) fails that
reading alone. Floats are as in Python: a product too large is infinite, and infinity and NaN are values.
"""

from rt_edge.streams.expression.errors import ExpressionError
from rt_edge.streams.expression.program import Program, compile_assignments, compile_predicate, compile_value

__all__ = ["ExpressionError", "Program", "compile_assignments", "compile_predicate", "compile_value"]
