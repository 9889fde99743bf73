"""What a compiled expression may call: the guarded operators and the fixed list of functions.

Each is bounded in time and memory whatever its arguments are: no integer grows beyond `MAX_BITS`, no text beyond `MAX_TEXT`.
A result outside these bounds is an OverflowError, which fails the reading it came from.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

MAX_BITS = 1024
"""Integers made by `**`, `<<` and the like have at most so many bits: as many as the largest float."""

MAX_TEXT = 16_384
"""Text made by `+` has at most so many characters."""

_MIN_INT, _MAX_INT = -(2**63), 2**64


def add(a: Any, b: Any) -> Any:
    """`a + b`, numbers or short text."""
    if isinstance(a, str | bytes) and isinstance(b, str | bytes) and len(a) + len(b) > MAX_TEXT:
        raise OverflowError(f"text longer than {MAX_TEXT} characters")
    return a + b


def mul(a: Any, b: Any) -> Any:
    """`a * b`, numbers only: text is not repeated."""
    if a.__class__ is float or b.__class__ is float:
        return a * b
    _numbers("*", a, b)
    if a.bit_length() + b.bit_length() > MAX_BITS:
        raise OverflowError(f"the product has more than {MAX_BITS} bits")
    return a * b


def mod(a: Any, b: Any) -> Any:
    """`a % b`, numbers only: text is not formatted."""
    if a.__class__ is not float:
        _numbers("%", a)
    return a % b


def power(a: Any, b: Any) -> Any:
    """`a ** b`, numbers only and real."""
    _numbers("**", a, b)
    if isinstance(a, int) and isinstance(b, int) and b > 1 and a.bit_length() * b > MAX_BITS:
        raise OverflowError(f"the power has more than {MAX_BITS} bits")
    if isinstance(a, int) and isinstance(b, int) and -b > MAX_BITS:
        b = float(b)
    result = a**b
    if isinstance(result, complex):
        raise ValueError("a fractional power of a negative number is not real")
    return result


def lshift(a: Any, b: Any) -> Any:
    """`a << b`, integers only."""
    if not (isinstance(a, int) and isinstance(b, int)):
        raise TypeError("<< needs integers")
    if b > MAX_BITS or a.bit_length() + b > MAX_BITS:
        raise OverflowError(f"the shifted value has more than {MAX_BITS} bits")
    return a << b


def value(result: Any) -> Any:
    """A result that is going to be a field: integers have to fit into 64 bits, as everything that is stored or sent."""
    if isinstance(result, int) and not _MIN_INT <= result < _MAX_INT:
        raise OverflowError("the result does not fit into 64 bits")
    return result


def round_to(x: Any, digits: int = 0) -> Any:
    """`round(x)` to an integer or `round(x, digits)`; halves go to the even neighbour."""
    _numbers("round", x)
    if not 0 <= digits <= 15:
        raise ValueError("round: digits has to be 0 to 15")
    return round(x, digits) if digits else round(x)


def log(x: Any, base: Any = math.e) -> float:
    """Logarithm of `x`, natural or to `base`."""
    return math.log(x) if base == math.e else math.log(x, base)


def clamp(x: Any, low: Any, high: Any) -> Any:
    """`x`, but not below `low` and not above `high`."""
    if low > high:
        raise ValueError("clamp: low is above high")
    if x < low:
        return low
    return min(x, high)


def is_number(x: Any) -> bool:
    """Whether `x` is an integer or a float that is not NaN; true and false are not numbers."""
    return (x.__class__ is float and x == x) or x.__class__ is int


def is_nan(x: Any) -> bool:
    """Whether `x` is the float NaN."""
    return x.__class__ is float and x != x


def number(x: Any) -> Any:
    """A number from a number or from text (`number('21.5')`)."""
    if isinstance(x, int | float):
        return x
    if len(x) > 64:
        raise ValueError("number: the text is longer than 64 characters")
    try:
        return int(x)
    except ValueError:
        return float(x)


def _numbers(what: str, *values: Any) -> None:
    for x in values:
        if not isinstance(x, int | float):
            raise TypeError(f"{what} needs numbers, not {type(x).__name__}")


class Function(NamedTuple):
    """A function an expression may call.

    Attributes:
        call: what runs.
        least: fewest arguments.
        most: most arguments.
        kind: static kind of the result, see `builder`; `join`: what its arguments have in common.
    """

    call: Callable[..., Any]
    least: int
    most: int
    kind: str


FUNCTIONS: dict[str, Function] = {
    "abs": Function(abs, 1, 1, "number"),
    "min": Function(min, 2, 16, "join"),
    "max": Function(max, 2, 16, "join"),
    "round": Function(round_to, 1, 2, "number"),
    "floor": Function(math.floor, 1, 1, "number"),
    "ceil": Function(math.ceil, 1, 1, "number"),
    "sqrt": Function(math.sqrt, 1, 1, "float"),
    "log": Function(log, 1, 2, "float"),
    "exp": Function(math.exp, 1, 1, "float"),
    "clamp": Function(clamp, 3, 3, "join"),
    "is_number": Function(is_number, 1, 1, "bool"),
    "is_nan": Function(is_nan, 1, 1, "bool"),
    "number": Function(number, 1, 1, "number"),
}

GUARDED: dict[str, Callable[..., Any]] = {"add": add, "mul": mul, "mod": mod, "power": power, "lshift": lshift}
"""Operators that need a guard, where the kinds of their operands are not known when the text is compiled."""

PLAIN: dict[str, Callable[..., Any]] = {
    "sub": operator.sub,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "and_": operator.and_,
    "or_": operator.or_,
    "xor": operator.xor,
    "rshift": operator.rshift,
}
"""Operators that are bounded as they are."""
