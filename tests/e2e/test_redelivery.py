"""Goal: what the broker sends again is stored once, and what is new is never taken for it (design 7). Method: a scripted broker,
the whole way through the node and its spool to the upstream store, with kill -9 of the edge between the commit and the PUBACK."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rt_edge.testkit.mqtt_broker import Publish, TestBroker
from rt_edge.testkit.node_process import wait_until
from rt_edge.testkit.spine.plant import BROKER, Plant
from rt_edge.testkit.spine.tally import Tally

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

TOPIC = "plant/cell-1/telemetry"
SOURCE = "broker/cell-1"


def payload(n: int) -> bytes:
    return b'{"n": %d, "temp": 20.5}' % n


async def stored(tally: Tally, numbers: list[int], plant: Plant) -> None:
    """Wait until exactly these are stored, in this order."""

    def there() -> bool:
        tally.look()
        return len(tally.messages.get(SOURCE, [])) >= len(numbers)

    await asyncio.to_thread(wait_until, there, 20, lambda: f"{tally.messages}: {plant.logs()}")
    assert tally.messages[SOURCE] == numbers


async def again(plant: Plant, broker: TestBroker) -> None:
    """The supervisor starts the node again, and its adapter has a new connection."""
    await broker.bell.until(lambda: bool(broker.connections), 30, "a connection")
    await asyncio.to_thread(wait_until, plant.edge.running, 30, plant.logs)


async def committed_and_killed(plant: Plant, broker: TestBroker, tally: Tally, new: list[int], goal: list[int]) -> None:
    """The `new` ones are published and stored upstream, no PUBACK of them is taken by the broker: then the edge is killed."""
    broker.faults.deaf = True
    for n in new:
        broker.publish(TOPIC, payload(n), 1)
    await stored(tally, goal, plant)
    connection = broker.connection()
    await asyncio.to_thread(plant.edge.kill, "main")
    connection.cut()
    broker.faults.deaf = False
    broker.bell.ring()
    await broker.bell.until(lambda: connection not in broker.connections.values(), 10, "the end of the connection")


def test_only_what_was_stored_is_taken_for_a_copy_when_the_edge_dies_between_commit_and_puback(tmp_path: Path) -> None:
    """A copy (DUP, same content, same session) is stored once; another message under its identifier is stored, with DUP or
    without; and when the broker has lost the session nothing is taken for a copy."""

    async def main() -> None:
        async with TestBroker() as broker:
            plant = Plant(tmp_path, {"broker": BROKER.format(mqtt=broker.port, window=100)})
            tally = Tally(plant.store)
            try:
                await asyncio.to_thread(plant.start)
                await redelivered(plant, broker, tally)
                await asyncio.to_thread(plant.stop)
            finally:
                await asyncio.to_thread(plant.stop)

    asyncio.run(main())


async def redelivered(plant: Plant, broker: TestBroker, tally: Tally) -> None:
    session = broker.session()

    # Stored, never acknowledged, sent again with DUP to the next life of the node: once in the store, acknowledged now.
    await committed_and_killed(plant, broker, tally, [0, 1, 2], [0, 1, 2])
    assert list(session.in_flight) == [1, 2, 3], "nothing was acknowledged"
    await again(plant, broker)
    await broker.bell.until(lambda: not session.in_flight, 20, "the acknowledgement of the copies")
    broker.publish(TOPIC, payload(3), 1)
    await stored(tally, [0, 1, 2, 3], plant)

    # The broker had the PUBACK for a message that the node never knew was through, and uses its identifier for another one:
    # DUP is set, since the first attempt to send it fell into the same outage. It was never ours, and is not dropped.
    await broker.bell.until(lambda: not session.in_flight, 20, "the acknowledgement")
    await committed_and_killed(plant, broker, tally, [4], [0, 1, 2, 3, 4])
    identifier = next(iter(session.in_flight))
    session.in_flight[identifier] = Publish(TOPIC, payload(5), 1, mid=identifier)
    await again(plant, broker)
    await stored(tally, [0, 1, 2, 3, 4, 5], plant)
    await broker.bell.until(lambda: not session.in_flight, 20, "the acknowledgement")

    # The same without DUP, with the very same content: a new message.
    await committed_and_killed(plant, broker, tally, [6], [0, 1, 2, 3, 4, 5, 6])
    identifier = next(iter(session.in_flight))
    session.in_flight.clear()
    session.next_mid = identifier
    broker.publish(TOPIC, payload(6), 1)
    await again(plant, broker)
    await stored(tally, [0, 1, 2, 3, 4, 5, 6, 6], plant)
    await broker.bell.until(lambda: not session.in_flight, 20, "the acknowledgement")

    # The session is lost: whatever comes then, with whatever flag, is new.
    await committed_and_killed(plant, broker, tally, [7], [0, 1, 2, 3, 4, 5, 6, 6, 7])
    identifier = next(iter(session.in_flight))
    broker.faults.forget_session = True
    await again(plant, broker)
    await broker.bell.until(lambda: bool(broker.session().subscriptions), 20, "the subscription")
    broker.connection().inject(Publish(TOPIC, payload(7), 1, dup=True, mid=identifier))
    await stored(tally, [0, 1, 2, 3, 4, 5, 6, 6, 7, 7], plant)
    print(f"stored {tally.messages[SOURCE]}, restarts of the edge {plant.edge.restarts}")
    assert plant.edge.restarts == 4
