"""Parcels: chunks that consumers get, made of what waits in a queue; as few as their receipts allow."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Mark, Marks, Receipt
from rt_edge.streams.hubs.deliveries import OWN, Delivery, Lot

if TYPE_CHECKING:
    from rt_edge.streams.hubs.hub import Hub
    from rt_edge.streams.hubs.ports import Port


def parcel(hub: Hub, source: Port, consumer: Port, n: int) -> Chunk | None:
    """Up to `n` elements that wait in `source`, for `consumer`, as far as they can have one receipt; None: its window is full.

    Elements of several shipments can if they are of one origin and their marks ascend, or if they have no origin: then nobody
    knows them by their marks.
    """
    lots = source.lots
    shipment, label = lots[0].shipment, lots[0].label
    if label is OWN:
        label = consumer.label
    if shipment is None:
        return Chunk(source.take(min(n, lots[0].count)))
    n = min(n, consumer.window - consumer.out)
    if n <= 0:
        return None
    origin = shipment.receipt.origin
    first = source.pop_lot(min(n, lots[0].count))
    total = first.count
    marks = shipment.marks if total == len(shipment.marks) else shipment.marks[first.start : first.start + total]
    taken = [first]
    if total < n and lots:
        marks, total = _more(source, n, taken, marks)
    if origin is None:
        marks = range(total)
    consumer.out += total
    mine = consumer.branch(origin, label) if label and origin is not None else origin
    return Chunk(source.dequeue(total), Receipt(marks, Delivery(hub, consumer, taken), mine, consumer.name), marks)


def _more(source: Port, n: int, taken: list[Lot], marks: Marks) -> tuple[Marks, int]:
    """Take further lots, up to `n` elements in all, that can share a receipt with the first; returns all marks, and how many."""
    lots, label, total = source.lots, taken[0].label, taken[0].count
    assert taken[0].shipment is not None  # it has a receipt
    origin = taken[0].shipment.receipt.origin
    listed: list[Mark] = []
    stop = marks.stop if isinstance(marks, range) else None  # so far they are from `marks[0]` to here
    while lots and total < n:
        lot = lots[0]
        one = lot.shipment
        if one is None or one.receipt.origin is not origin or lot.label != label:
            break
        count = lot.count
        if count > n - total:
            count = n - total
        if origin is not None:
            own = one.marks if count == len(one.marks) else one.marks[lot.start : lot.start + count]
            if stop is not None and isinstance(own, range) and stop == own.start:
                stop = own.stop
            else:
                if stop is not None:
                    marks, stop = range(marks[0], stop), None  # type: ignore[arg-type]  # of a range
                if not _follow(marks, own):
                    break
                listed = listed or list(marks)
                listed += own
                marks = listed
        taken.append(lots.popleft() if count == lot.count else source.pop_lot(count))
        total += count
    return marks if stop is None else range(marks[0], stop), total  # type: ignore[arg-type]  # as above


def _follow(marks: Marks, more: Marks) -> bool:
    """Whether all are numbers, and `more` ascends behind `marks`."""
    last, first = marks[-1], more[0]
    return not isinstance(last, tuple) and not isinstance(first, tuple) and last < first and _ascend(more)


def _ascend(marks: Marks) -> bool:
    if isinstance(marks, range) or len(marks) == 1:
        return True
    return all(isinstance(b, int) and isinstance(a, int) and a < b for a, b in pairwise(marks))
