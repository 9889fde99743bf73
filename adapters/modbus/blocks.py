"""Which points are read by one request: adjacent ones, and through holes that cost less than a second request."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from adapters.modbus.codec import PointCodec
from adapters.modbus.decoders import BitDecoder, RegisterDecoder
from adapters.modbus.pdu import TABLES, Request, read
from adapters.modbus.timing import BITS_PER_REGISTER
from rt_edge.sdk import Value

if TYPE_CHECKING:
    from adapters.modbus.learned import Trial

BIT_TABLES = ("coil", "discrete")


class Point(NamedTuple):
    """One value of a unit and where it is.

    Attributes:
        name: the name of its field.
        table: a key of TABLES.
        address: 0-based, as on the wire.
        codec: how it lies in its registers; for coils and discrete inputs only its count of 1 is used.
    """

    name: str
    table: str
    address: int
    codec: PointCodec

    @property
    def size(self) -> int:
        """Registers or bits."""
        return 1 if self.table in BIT_TABLES else self.codec.registers


class Limits(NamedTuple):
    """What one request to a unit may ask: most registers, most bits, and most registers that nobody asked for in a row."""

    registers: int
    bits: int
    hole: int


class Block:
    """Points read by one request.

    Args:
        points: of one table, by address, not empty.
    """

    __slots__ = ("_decoder", "address", "bits", "count", "points", "request", "table", "trial")

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = tuple(points)
        self.table = points[0].table
        self.address = points[0].address
        self.count = max(p.address + p.size for p in points) - self.address
        self.request: Request = read(self.table, self.address, self.count)
        self.bits = self.table in BIT_TABLES
        self.trial: Trial | None = None
        """The refused block of which this is a part, until it is known why it was refused."""
        self._decoder: BitDecoder | RegisterDecoder
        if self.table in BIT_TABLES:
            self._decoder = BitDecoder([(p.name, p.address - self.address) for p in points])
        else:
            self._decoder = RegisterDecoder([(p.name, p.address - self.address, p.codec) for p in points], self.count)

    def __repr__(self) -> str:
        more = ", .." if len(self.points) > 4 else ""
        return f"{self.table} {self.address}..{self.address + self.count - 1} ({', '.join(self.names[:4])}{more})"

    @property
    def names(self) -> list[str]:
        """Names of the fields."""
        return [p.name for p in self.points]

    @property
    def place(self) -> tuple[int, int, int]:
        """(function, address, count)."""
        return TABLES[self.table], self.address, self.count

    def decode(self, data: bytes) -> tuple[dict[str, Value], dict[str, str]]:
        """The fields in the data of a reply, and the points that have no value: name -> what is wrong with it, or ""."""
        return self._decoder.decode(data)

    def runs(self) -> list[Block]:
        """It, cut at its holes."""
        return merge(self.points, Limits(self.count, self.count, 0))

    def halves(self) -> list[Block]:
        """It in two, none of its points torn apart; [] if that cannot be done."""
        ends = 0
        places: list[int] = []
        for i, point in enumerate(self.points):
            if i and point.address >= ends:
                places.append(i)
            ends = max(ends, point.address + point.size)
        if not places:
            return []
        at = min(places, key=lambda i: abs(2 * (self.points[i].address - self.address) - self.count))
        return [Block(self.points[:at]), Block(self.points[at:])]


def merge(
    points: Iterable[Point],
    limits: Limits,
    cuts: Collection[tuple[str, int]] = (),
    alone: Collection[tuple[str, int]] = (),
) -> list[Block]:
    """The fewest blocks for `points` within `limits`: by table and address, each as long as it may be.

    Points may overlap (bits of one register).

    Args:
        points: in any order.
        limits: of one block.
        cuts: (table, address) at which a block begins anew: what is before cannot be read with it.
        alone: (table, address) of points that are read with no others.
    """
    blocks: list[Block] = []
    run: list[Point] = []
    end = 0
    for point in sorted(points, key=lambda p: (TABLES[p.table], p.address, p.size)):
        bits = point.table in BIT_TABLES
        most, hole = (limits.bits, limits.hole * BITS_PER_REGISTER) if bits else (limits.registers, limits.hole)
        new_end = max(end, point.address + point.size)
        fits = run and point.table == run[0].table and point.address <= end + hole and new_end - run[0].address <= most
        if fits and (cuts or alone) and point.address != run[-1].address:
            here = (point.table, point.address)
            fits = here not in cuts and here not in alone and (point.table, run[-1].address) not in alone
        if not fits:
            if run:
                blocks.append(Block(run))
            run, new_end = [], point.address + point.size
        run.append(point)
        end = new_end
    if run:
        blocks.append(Block(run))
    return blocks
