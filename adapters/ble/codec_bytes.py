"""Reading a few bytes with their place in mind, shared by the decoders: what is wrong names the byte it is wrong at."""

from __future__ import annotations

from rt_edge.sdk import CodecError


class Bytes:
    """A payload that is read from front to back.

    Args:
        data: the payload.
        what: its name, for error messages.
    """

    __slots__ = ("_what", "at", "data")

    def __init__(self, data: bytes, what: str) -> None:
        self.data = data
        self.at = 0
        self._what = what

    @property
    def left(self) -> int:
        """Bytes that were not read."""
        return len(self.data) - self.at

    def take(self, n: int, part: str) -> bytes:
        """The next `n` bytes, which are `part`.

        Raises:
            CodecError: there are fewer.
        """
        if n > self.left:
            raise self.error(f"{part} has {n} bytes, and {self.left} are left")
        self.at += n
        return self.data[self.at - n : self.at]

    def little(self, n: int, part: str, signed: bool = False) -> int:
        """The next `n` bytes as an integer, least significant byte first."""
        return int.from_bytes(self.take(n, part), "little", signed=signed)

    def big(self, n: int, part: str, signed: bool = False) -> int:
        """The next `n` bytes as an integer, most significant byte first."""
        return int.from_bytes(self.take(n, part), "big", signed=signed)

    def error(self, reason: str) -> CodecError:
        """What is wrong, at this place."""
        return CodecError(f"{self._what}, byte {self.at}: {reason}")


def exactly(data: bytes, length: int, what: str) -> Bytes:
    """`data` as Bytes if it has `length` bytes.

    Raises:
        CodecError: it has not.
    """
    if len(data) != length:
        raise CodecError(f"{what}, byte {min(len(data), length)}: {len(data)} bytes where {length} are wanted")
    return Bytes(data, what)
