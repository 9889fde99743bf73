"""What tests of receipts through hubs and topics share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from rt_edge.data.receipt import LOST, Dropped, Failed
from rt_edge.streams.hubs.deliveries import Delivery, Lot, Shipment
from rt_edge.testkit.probes import SinkProbe
from tests.streams.hubs.hub_world import World

MANY = 10_000
DEAD = RuntimeError("the consumer died")
GONE = Dropped("unwanted")
BAD = Failed(ValueError("no"))


def kept() -> list[object]:
    """What hubs keep for receipts, now."""
    return [x for x in gc.get_objects() if isinstance(x, Shipment | Lot | Delivery)]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No receipt was lost, and what a hub keeps for receipts goes with them, without help from the garbage collector."""
    LOST.drain()
    gc.collect()
    before = kept()  # by hubs of other tests, which pytest has not let go
    gc.disable()
    yield
    left = [x for x in kept() if not any(x is known for known in before)]
    gc.enable()
    assert not LOST
    assert not left


def die(world: World, sink: SinkProbe, error: BaseException = DEAD) -> None:
    """The run of a consumer stops, and all that it had fails with it."""
    sink.logic.seat.engine.stop(error)
    sink.settle_all(Failed(error))
    world.settle()
