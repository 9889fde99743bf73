"""Lines of a weigher: `W` asks for the weight, `Z` for the zero point, `Z 0.500` sets it. Pure: no clock, no log, no I/O."""

from __future__ import annotations

from rt_edge.sdk import CodecError

WEIGHT = b"W\n"
ZERO = b"Z\n"


def set_zero(kg: float) -> bytes:
    """The line that sets the zero point."""
    return f"Z {kg:.3f}\n".encode()


def kilograms(line: bytes) -> float:
    """The number in a reply like `12.340 kg`.

    Raises:
        CodecError: it is no such line.
    """
    number, _, unit = line.strip().partition(b" ")
    try:
        if unit == b"kg":
            return float(number)
    except ValueError:
        pass  # said below, with the line
    raise CodecError(f"{line[:40]!r} is no weight")
