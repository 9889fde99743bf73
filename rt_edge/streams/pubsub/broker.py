"""Broker: topics in one process, shared by the streams that publish and those that subscribe."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError, IslandDied, RefusedError, StreamError
from rt_edge.data.receipt import Dropped, Failed, Origin, Outcome
from rt_edge.streams.hubs.deliveries import OWN, Lot
from rt_edge.streams.hubs.hub import BUFFER, UNSETTLED, Hub
from rt_edge.streams.hubs.ports import LEFT, WINDOW, Port, SlowConsumer
from rt_edge.streams.hubs.strays import Stray
from rt_edge.streams.pubsub.lanes import Lane, Lanes, LostLaps
from rt_edge.streams.pubsub.message import Message, end_of_run, rooms
from rt_edge.streams.pubsub.topics import TopicTree, check_filter, check_topic, matches
from rt_edge.streams.routing.routee import Routee
from rt_edge.streams.routing.strategy import MostDemand

GroupOrder = Literal["key", "topic"]
NO_SUBSCRIBER = "no_subscriber"
"""The reason of what nobody has subscribed to."""

GROUP = "group "
"""Begin of what the messages of a group are known by at a durable end."""

RETAINED_MOST = 10_000
"""Topics of which the last message is kept."""

FILTERS_MOST = 100_000
"""Subscriptions in all."""


class Broker(Hub):
    """Every message to every subscriber whose filters match, once, and to one member of each group, the one with the most room.

    A message is taken when all of them have room: a subscriber that back-pressures holds up publishers of its topics, and
    others do as `SlowConsumer` says. A message that nobody has subscribed to is dropped, counted as `no_subscriber`.

    A message has the worst outcome of those that got it: failed before stored before dropped; a group counts as one. What waits
    for a member that goes, or was taken by one that failed, another member of its group gets, as in a `PartitionHub`; where there
    is none, it has the outcome of a subscriber that goes. What is retained is a copy that nobody waits for.

    Messages of one key (`group_order`) keep their order in a group: while a member has some of them that are not settled, later
    ones go to it as well, or wait; and if it dies, the next member gets all of them, in order. What has no receipt, or no key, is
    given to whoever has most room.

    Args:
        buffer: messages that may wait for one subscriber.
        slow: what happens to subscribers that are slow, if they do not say so themselves.
        retained_most: topics of which the last message is kept; further ones are not, counted as `dropped_not_retained`.
        window: messages that one subscriber may have and not have settled.
        unsettled: messages that the broker has taken and whose outcome is not known, at most.
        group_order: key: messages of a group that have a key stay in order. topic: those without one too, by their topic.
        refuse_overtaking: where messages die with a subscriber's island, later ones of the same lap of their origin fail as well:
            they come again behind those. For origins that have laps, as ledgers do.
    """

    producers_most = 4096
    consumers_most = 4096

    def __init__(
        self,
        buffer: int = BUFFER,
        slow: SlowConsumer | None = None,
        retained_most: int = RETAINED_MOST,
        window: int = WINDOW,
        unsettled: int = UNSETTLED,
        group_order: GroupOrder = "key",
        refuse_overtaking: bool = False,
    ) -> None:
        super().__init__(buffer, slow, 0, False, window, unsettled)
        self._retained_most = retained_most
        self._retained: dict[str, Message] = {}
        self._tree: TopicTree[tuple[Port, str]] = TopicTree()
        self._filters: dict[str, dict[tuple[str, str], None]] = {}  # name of the port -> (filter, group)
        self._backlog: dict[str, deque[Message]] = {}
        self._relays: set[str] = set()
        self._topics: dict[str, str] = {}  # name of a publisher's port -> its topic
        self._groups: dict[str, MostDemand] = {}
        self._lanes = Lanes()
        self._refuses = refuse_overtaking
        self._lost = LostLaps()
        self._paused = False
        self._by_topic = group_order == "topic"

    # -- for subscribers -----------------------------------------------------------------------------------------------

    def subscribe(
        self,
        filter_: str,
        wake: Callable[[], None],
        group: str = "",
        slow: SlowConsumer | None = None,
        name: str = "",
        relay: bool = False,
    ) -> Port:
        """A subscriber comes; `take` and `leave` as of a hub. It gets what is retained first, unless it is of a group.

        Args:
            filter_: topics, with wildcards.
            wake: called when there is something to take.
            group: one member of each group gets a message.
            slow: what happens when it is slow.
            name: for people.
            relay: it passes messages on to another node, and does not get those that came from one.

        Raises:
            ConfigError: no filter.
            RefusedError: there are too many.
        """
        check_filter(filter_)
        port = self.join(wake, slow, name)
        if relay:
            self._relays.add(port.name)
        self.add_filter(port, filter_, group)
        return port

    def add_filter(self, port: Port, filter_: str, group: str = "") -> None:
        """A subscriber wants these topics, too; a repetition does nothing.

        Raises:
            ConfigError: no filter.
            RefusedError: there are too many.
        """
        check_filter(filter_)
        with self._lock:
            filters = self._filters.setdefault(port.name, {})
            if (filter_, group) in filters or port not in self._consumers:
                return
            if len(self._tree) >= FILTERS_MOST:
                raise RefusedError(f"there are {FILTERS_MOST:,} subscriptions already")
            filters[filter_, group] = None
            self._tree.add(filter_, (port, group))
            if not group:
                found = [msgspec.structs.replace(m, retained=True) for t, m in self._retained.items() if matches(filter_, t)]
                backlog = self._backlog.setdefault(port.name, deque(maxlen=2 * self._retained_most))
                backlog.extend(found)
            woken = self._told([port])
        for wake in woken:
            wake()

    def remove_filter(self, port: Port, filter_: str, group: str = "") -> None:
        """It wants these topics no more."""
        with self._lock:
            filters = self._filters.get(port.name, {})
            if (filter_, group) in filters:
                del filters[filter_, group]
                self._tree.remove(filter_, (port, group))
            woken = self._told(self._producers)
        for wake in woken:
            wake()

    def filters(self, port: Port) -> tuple[tuple[str, str], ...]:
        """Filters and groups of a subscriber."""
        return tuple(self._filters.get(port.name, ()))

    # -- for publishers ------------------------------------------------------------------------------------------------

    def publish_under(self, producer: Port, topic: str) -> None:
        """`producer` publishes under one topic only: it is asked for as much as the subscribers of that have room for."""
        self._topics[producer.name] = check_topic(topic)

    # -- for whoever has it --------------------------------------------------------------------------------------------

    def pause(self, paused: bool) -> None:
        """Take nothing from publishers, or go on; subscribers get what is here."""
        with self._lock:
            self._paused = paused
            woken = [] if paused else self._told(self._producers)
        for wake in woken:
            wake()

    def topics(self) -> tuple[str, ...]:
        """Topics of which a message is retained."""
        with self._lock:
            return tuple(sorted(self._retained))

    def count(self, topic: str) -> int:
        """Subscribers and groups that get what is published under `topic`."""
        with self._lock:
            plain, groups = self._receivers(topic, False)
            return len(plain) + len(groups)

    def note_lost(self, origin: Origin) -> None:
        """What comes behind them in the same lap would overtake them, at a subscriber that is there again: it is refused."""
        if self._refuses:
            self._lost.note(origin)

    # -- of the hub; with the lock held --------------------------------------------------------------------------------

    def _room(self, producer: Port) -> int:
        topic = self._topics.get(producer.name)
        if topic is None:
            return self.buffer
        plain, groups = self._receivers(topic, False)
        rooms = [port.room() for port in plain] + [max(port.room() for port in members) for members in groups.values()]
        return min(rooms, default=self.buffer)

    def _give(self, producer: Port, items: Sequence[Any], now: float, chunk: Chunk | None) -> int:
        taken = end = 0
        if self._lost and chunk is not None and self._lost.has(chunk.receipt):
            self._settle_all(producer, chunk, 0, len(items), Failed(IslandDied("messages before it died with a subscriber")))
            return len(items)
        while taken < len(items):
            first = items[taken]
            if taken >= end:
                end = end_of_run(items, taken)
            plain, groups = self._receivers(first.topic, first.relayed)
            key = self._key(first) if groups and chunk is not None else ""
            chosen = self._choose(groups, key) if groups else []
            if chosen is None:
                break
            n = min(rooms([*plain, *chosen]) if chosen else [port.room() for port in plain], default=end - taken)
            if n <= 0:
                break
            # Messages of one topic and key go together; without an order, who is chosen of a group is decided for each.
            some = items[taken : min(end, taken + (1 if chosen and not key else n))]
            for message in some:
                if message.retain:
                    self._retain(message)
            if not plain and not chosen:
                self.counters[NO_SUBSCRIBER] += len(some)
                self._settle_all(producer, chunk, taken, len(some), Dropped(NO_SUBSCRIBER))
            else:
                lot = self._ship(producer, chunk, taken, len(some), len(plain) + len(chosen), keep=bool(chosen))
                for port in plain:
                    self._put(port, some, now, lot, OWN)
                for group, port in zip(groups, chosen, strict=True):
                    lane = self._lanes.give(group, key, port, len(some)) if key and lot is not None else None
                    self._put(port, some, now, lot, GROUP + group, lane)
            taken += len(some)
        return taken

    def _settle_all(self, producer: Port, chunk: Chunk | None, first: int, n: int, outcome: Outcome) -> None:
        """Nobody gets these; it is their outcome."""
        lot = self._ship(producer, chunk, first, n, 1)
        if lot is not None:
            lot.vote(outcome)

    def _put(
        self, port: Port, messages: Sequence[Message], now: float | None, lot: Lot | None, label: str, lane: Lane | None = None
    ) -> None:
        if lot is not None:
            lot = lot.branch(label)
            lot.lane = lane
        port.put(messages, now, lot)
        if port.ended:  # overflow under `fail`
            self._disconnect(port)

    def _strays(self, lot: Lot) -> bool:
        group = lot.label.removeprefix(GROUP)
        return group != lot.label and any((f, g) for c in self._consumers for f, g in self.filters(c) if g == group)

    def _send_stray(self, stray: Stray, now: float | None) -> int:
        """To a member of the group that has room; if none is left, it has the outcome of one that goes, or that failed."""
        lot, lane = stray.lot, stray.lot.lane
        group = lot.label.removeprefix(GROUP)
        message = stray.items[0]
        members = self._receivers(message.topic, message.relayed)[1].get(group)
        shipment = lot.shipment
        if shipment is not None and self._lost.has(shipment.receipt):
            Stray(lot, stray.items).vote(Failed(IslandDied("messages before it died with a member of its group")))
            return lot.count
        if not members:
            lost = Failed((IslandDied if self._refuses else StreamError)(f"the members of the group {group} have gone"))
            first = Stray(lot.part(0, 1), stray.items[:1])
            first.vote(lost if lot.tries or self._refuses else Dropped(LEFT))
            self.counters[f"dropped_{LEFT}"] += 1
            return 1
        chosen = self._choose({group: members}, "" if lane is None else self._key(message), again=True)
        if not chosen or chosen[0].room() <= 0:
            return 0
        n = 1 if lane is None else min(chosen[0].room(), lot.count)
        if lane is not None:
            lane.found(n)
            lane.port = chosen[0]
        part = lot.part(0, n)
        self._put(chosen[0], stray.items[:n], now, part, lot.label, lane)
        return n

    def _holds_back(self) -> bool:
        # Strays in a lane hold back those of their key alone.
        return self._paused or any(stray.lot.lane is None for stray in self._stray.waiting)

    def _receivers(self, topic: str, relayed: bool) -> tuple[list[Port], dict[str, list[Port]]]:
        plain: dict[str, Port] = {}
        groups: dict[str, list[Port]] = {}
        for port, group in self._tree.of(topic):
            if relayed and port.name in self._relays:
                continue
            if not group:
                plain[port.name] = port
            elif port not in groups.setdefault(group, []):
                groups[group].append(port)
        return list(plain.values()), groups

    def _key(self, message: Message) -> str:
        """Of messages with the same one a group keeps the order; empty: of none."""
        return message.key or (message.topic if self._by_topic else "")

    def _choose(self, groups: dict[str, list[Port]], key: str, again: bool = False) -> list[Port] | None:
        """The member of each group that gets a message (`again`: another one had it); None if none has room, or the one that has
        to get it has none."""
        chosen = []
        for group, members in groups.items():
            lane = self._lanes.of(group, key) if key else None
            if lane is not None and (lane.held or not again):
                if (lane.astray and not again) or lane.port not in members or lane.port.room() <= 0:
                    lane.wait()
                    return None
                chosen.append(lane.port)
                continue
            routees = [Routee(port.name, port.room(), len(port.queue)) for port in members]
            strategy = self._groups.setdefault(group, MostDemand())
            places = strategy.choose(None, routees)
            if not places:
                return None
            strategy.sent(places, routees)
            chosen.append(members[places[0]])
        return chosen

    def _retain(self, message: Message) -> None:
        if message.payload in ("", b""):
            self._retained.pop(message.topic, None)
        elif message.topic in self._retained or len(self._retained) < self._retained_most:
            self._retained[message.topic] = message
        else:
            self.counters["dropped_not_retained"] += 1

    def _get(self, consumer: Port, n: int) -> list[Any]:
        backlog = self._backlog.get(consumer.name)
        items: list[Any] = []
        while backlog and len(items) < n:
            items.append(backlog.popleft())
        consumer.counters["passed"] += len(items)
        return items + consumer.take(n - len(items))

    def _collect(self, consumer: Port, n: int) -> Chunk | None:
        backlog = self._backlog.get(consumer.name)
        if not backlog:
            return super()._collect(consumer, n)
        items = [backlog.popleft() for _ in range(min(n, len(backlog)))]
        consumer.counters["passed"] += len(items)
        return Chunk(items)

    def _is_drained(self, consumer: Port) -> bool:
        return not consumer.queue and not self._backlog.get(consumer.name) and not self._stray

    def _rung(self) -> list[Callable[[], None]]:
        self._freed |= self._lanes.has_room()
        return super()._rung()

    def _producer_left(self, producer: Port, error: BaseException | None) -> None:
        self._topics.pop(producer.name, None)
        if error is not None:
            self.counters["failed_producers"] += 1

    def _consumer_left(self, consumer: Port, error: BaseException | None) -> None:
        for filter_, group in self._filters.pop(consumer.name, {}):
            self._tree.remove(filter_, (consumer, group))
        self._backlog.pop(consumer.name, None)
        self._relays.discard(consumer.name)
        if self._groups:
            left = {group for filters in self._filters.values() for _, group in filters}
            self._groups = {group: strategy for group, strategy in self._groups.items() if group in left}


def check_broker(broker: object) -> None:
    """Refuse what is no broker."""
    if not isinstance(broker, Broker):
        raise ConfigError(f"{broker!r} is no Broker")
