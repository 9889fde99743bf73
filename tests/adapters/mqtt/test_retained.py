"""The memory of retained states and its file, under injected time: what may be dropped, what a crash may cost, the bounds."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mqtt.keys import key_stem
from adapters.mqtt.retained import _READ_BY, QUIET_S, RAW_BYTES, StateMemory, digest_of, salt_of, topic_key
from adapters.mqtt.retained_file import FILE, SLACK, StateFile
from adapters.mqtt.retaining import Retained
from adapters.mqtt.seam import Message
from adapters.mqtt.settings import MqttSettings
from adapters.mqtt.subscribe_settings import Subscribe
from rt_edge.testkit.adapter_harness import RecordingContext, plain

SALT = 7


def copy(topic: str, payload: str, qos: int = 0, properties: bytes = b"") -> Message:
    """As a broker sends it because of a SUBSCRIBE."""
    return Message(topic, payload.encode(), qos, True, False, 9 if qos else 0, properties)


def live(topic: str, payload: str, qos: int = 0) -> Message:
    return Message(topic, payload.encode(), qos, False, False, 8 if qos else 0)


class Emitter:
    """Hands messages on to a memory, one Reading each."""

    def __init__(self, most: int = 100) -> None:
        self.memory = StateMemory(most)
        self.emitted = 0

    def emit(self, message: Message, now: float = 0.0) -> list[int]:
        self.emitted += 1
        self.memory.turn[topic_key(message.topic)] = (self.emitted, SALT, message)
        return self.memory.handing_on(now)

    def same(self, message: Message) -> bool:
        return self.memory.same(topic_key(message.topic), message, SALT)

    def all_written(self) -> None:
        self.memory.sweep(0.0, self.emitted, 0.0)


def test_copy_is_the_same_when_it_equals_the_last_message_of_its_topic() -> None:
    """Live or copy, of this turn, of this second, or written long ago; and not when it was the last but one."""
    e = Emitter()
    assert not e.same(copy("t", "1"))
    e.memory.turn[topic_key("t")] = (1, SALT, live("t", "1"))
    assert e.same(copy("t", "1"))
    e.emit(live("t", "1"))
    assert e.same(copy("t", "1"))
    assert not e.same(copy("u", "1"))
    e.all_written()
    assert e.same(copy("t", "1"))
    e.emit(copy("t", "2"))
    assert e.same(copy("t", "2"))
    assert not e.same(copy("t", "1"))


def test_state_is_its_payload_and_the_properties_that_a_broker_keeps() -> None:
    """An expiry that was counted down is the same state; a user property is not; QoS and packet identifier are none of it."""
    expiry = b"\x02\x00\x00\x00"
    pair = b"\x26\x00\x01a\x00\x01"
    assert digest_of(copy("t", "1", 1, expiry + b"\x09"), 1) == digest_of(copy("t", "1", 0, expiry + b"\x08"), 1)
    assert digest_of(copy("t", "1", 1, pair + b"b"), 1) != digest_of(copy("t", "1", 1, pair + b"c"), 1)
    assert digest_of(copy("t", "1"), 1) != digest_of(copy("t", "1"), 2)


def test_file_forgets_a_topic_before_its_next_message_is_handed_on() -> None:
    """Once, at the first of them; what is not in the file costs nothing."""
    e = Emitter()
    assert e.emit(live("t", "1")) == []
    e.all_written()
    assert e.emit(live("t", "2")) == [topic_key("t")]
    assert e.emit(live("t", "3")) == []
    assert e.memory.sure == {}


def test_state_is_written_when_it_is_settled_and_has_been_quiet() -> None:
    """Not before its receipt, and not while it changes."""
    e = Emitter()
    e.emit(live("t", "1"), now=0.0)
    e.emit(live("u", "1"), now=0.0)
    assert e.memory.sweep(0.0, 1) == ([], [])
    assert e.memory.sweep(QUIET_S, 1)[1] == [(topic_key("t"), digest_of(live("t", "1"), SALT))]
    assert e.memory.sweep(QUIET_S, 1) == ([], [])
    e.emit(live("u", "2"), now=QUIET_S)
    e.memory.sweep(QUIET_S, 3)
    assert e.memory.sweep(2 * QUIET_S - 1, 3) == ([], [])
    assert e.memory.sweep(2 * QUIET_S, 3)[1] == [(topic_key("u"), digest_of(live("u", "2"), SALT))]
    assert not e.memory.unwritten


def test_least_recently_used_goes_when_there_are_more_topics_than_allowed() -> None:
    """Counted, and taken out of the file; a copy that was compared counts as use."""
    e = Emitter(most=3)
    for topic in "abc":
        e.emit(live(topic, "1"))
    e.all_written()
    assert e.same(copy("a", "1"))
    e.emit(live("d", "1"))
    assert e.memory.sweep(0.0, 0) == ([topic_key("b")], [])
    assert (e.memory.forgotten, len(e.memory)) == (1, 3)
    assert [t for t in "abcd" if e.same(copy(t, "1"))] == ["a", "c", "d"]


def test_memory_is_bounded_when_every_topic_is_new() -> None:
    """Also of messages whose digest is not made yet: by their bytes."""
    e = Emitter(most=10)
    for n in range(3000):
        e.emit(live(f"t/{n}", "x" * 1000))
        assert sum(len(one.payload or b"") for _, _, one in e.memory._raw.values() if isinstance(one, Message)) < RAW_BYTES
    e.memory.sweep(0.0, 0)
    assert len(e.memory) == 10
    assert e.memory.forgotten == 2990


def test_digest_is_made_of_the_last_message_only_when_a_topic_changes_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 messages of one topic, 10 MB: none is made before somebody wants to know."""
    made: list[Message] = []

    def counted(message: Message) -> bytes:
        made.append(message)
        return key_stem(message)

    monkeypatch.setattr("adapters.mqtt.retained.key_stem", counted)
    e = Emitter()
    for n in range(10_000):
        e.emit(live("t", f"{n}" + "x" * 1000))
    e.all_written()
    assert len(made) == 1


def test_live_message_may_be_known_by_its_key_alone() -> None:
    """What was made for redelivery is the same digest."""
    e = Emitter()
    e.memory.turn[topic_key("t")] = (1, SALT, key_stem(live("t", "1", 1)))
    e.memory.handing_on(0.0)
    assert e.same(copy("t", "1"))
    assert not e.same(copy("t", "2"))


def test_nothing_counts_as_written_when_the_file_was_lost() -> None:
    """It is written again, and compared as before."""
    e = Emitter()
    e.emit(live("t", "1"))
    e.all_written()
    e.memory.lose()
    assert e.memory.sure == {}
    assert e.same(copy("t", "1"))
    assert e.memory.sweep(0.0, 0)[1] == [(topic_key("t"), digest_of(live("t", "1"), SALT))]


def test_message_counts_as_never_seen_when_only_a_part_of_it_was_handed_on() -> None:
    """It comes again, whole."""
    e = Emitter()
    e.emit(live("t", "1"))
    e.memory.forget(topic_key("t"))
    assert not e.same(copy("t", "1"))


# -- the file ----------------------------------------------------------------------------------------------------------------


def test_file_gives_back_what_counts_after_an_orderly_end_and_after_a_crash(tmp_path: Path) -> None:
    """In another boot only after an orderly end."""
    for orderly in (True, False):
        (tmp_path / FILE).unlink(missing_ok=True)
        file = StateFile(tmp_path, "boot 1")
        assert file.load() == {}
        file.begin()
        file.write([], [(1, 11), (2, 22), (3, 33)], {1: 11, 2: 22, 3: 33})
        file.write([2], [(1, 12)], {1: 12, 3: 33})
        if orderly:
            file.end()
        again = StateFile(tmp_path, "boot 1")
        assert again.load() == {3: 33, 1: 12}
        later = StateFile(tmp_path, "boot 2")
        assert (later.load(), later.cut, later.damaged) == (({3: 33, 1: 12}, False, "") if orderly else ({}, True, ""))


def test_orderly_end_is_no_longer_one_when_a_new_life_has_begun(tmp_path: Path) -> None:
    """The frame that says so is on disk before anything can be handed on."""
    for boot in ("boot 1", "boot 2"):
        file = StateFile(tmp_path, boot)
        known = file.load()
        file.begin()
        file.write([], [(1, 11)], {1: 11})
        if boot == "boot 1":
            file.end()
    assert known == {1: 11}
    assert StateFile(tmp_path, "boot 3").load() == {}


@pytest.mark.parametrize("damage", ["a byte", "the end", "the beginning", "everything"])
def test_damaged_file_is_set_aside_when_it_is_read(tmp_path: Path, damage: str) -> None:
    """Nothing of it counts, since what is missing may be that a state counts no more; it is kept for who wants to look."""
    file = StateFile(tmp_path, "boot")
    file.begin()
    file.write([], [(1, 11)], {1: 11})
    file.write([1], [], {})
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    spoilt = {
        "a byte": bytes(data),
        "the end": path.read_bytes()[:-3],
        "the beginning": b"x" + path.read_bytes(),
        "everything": b"\0" * 99,
    }
    path.write_bytes(spoilt[damage])
    again = StateFile(tmp_path, "boot")
    assert again.load() == {}
    assert again.damaged
    assert not path.exists()
    assert path.with_suffix(".damaged").read_bytes() == spoilt[damage]
    again.begin()
    again.write([], [(1, 12)], {1: 12})
    assert StateFile(tmp_path, "boot").load() == {1: 12}


def test_file_stays_small_when_topics_change_for_ever(tmp_path: Path) -> None:
    """It is written anew before it has more old records than good ones and a few thousand."""
    file = StateFile(tmp_path, "boot")
    file.begin()
    sure: dict[int, int] = {}
    most = 0
    for n in range(3000):
        states = [(key, n * 10 + key) for key in range(1, 11)]
        sure.update(states)
        file.write([], states, sure)
        most = max(most, (tmp_path / FILE).stat().st_size)
    assert most < (SLACK + 40) * 26
    assert StateFile(tmp_path, "boot").load() == sure


def test_file_made_again_says_its_boot_when_it_was_removed(tmp_path: Path) -> None:
    """Else its states would count after a power cut."""
    file = StateFile(tmp_path, "boot 1")
    file.begin()
    file.remove()
    file.write([], [(1, 11)], {1: 11})
    assert StateFile(tmp_path, "boot 1").load() == {1: 11}
    assert StateFile(tmp_path, "boot 2").load() == {}


# -- both, in an adapter -----------------------------------------------------------------------------------------------------


def retained_settings(**entry: Any) -> Any:
    return plain(MqttSettings.model_validate({"url": "mqtt://broker", "subscribe": [{"filter": "t/#", **entry}]}))


def test_every_setting_that_decides_what_a_reading_is_makes_states_news() -> None:
    """And no other: a new setting of a subscription has to be thought about here."""
    others = {"filter", "qos", "retained", "rebirth", "expired", "no_local", "answer"}
    assert set(_READ_BY) | others == set(Subscribe.model_fields)
    assert not set(_READ_BY) & others
    (one,) = retained_settings(fields=["a"]).subscribe
    (two,) = retained_settings(fields=["a", "b"]).subscribe
    assert len({salt_of(one, "x:1"), salt_of(two, "x:1"), salt_of(one, "y:1")}) == 3


@pytest.mark.parametrize(
    "entry",
    [{"retained": "always"}, {"retained": "never"}, {"filter": "$share/g/t/#"}, {"codec": "sparkplug", "filter": "spBv1.0/#"}],
)
def test_nothing_is_remembered_when_no_copy_can_be_dropped(tmp_path: Path, entry: dict[str, Any]) -> None:
    """always, never, shared subscriptions (no retained messages, MQTT 5 4.8.2), Sparkplug (the codec has to see births)."""
    retained = Retained(retained_settings(**entry), RecordingContext(tmp_path))
    assert retained.salts == [0]
    retained.open()
    retained.close()
    assert list(tmp_path.iterdir()) == []


def test_trouble_with_the_file_is_said_once_and_costs_no_message(tmp_path: Path) -> None:
    """A folder in its place: states are compared all the same, and written when it is gone."""
    (tmp_path / FILE).mkdir()
    context = RecordingContext(tmp_path)

    async def body() -> None:
        retained = Retained(retained_settings(), context)
        (salt,) = retained.salts
        retained.open()
        for n in range(3):
            retained.memory.turn[topic_key("t/a")] = (n + 1, salt, live("t/a", str(n)))
            retained.handing_on()
            retained.settled = n + 1
            retained.close()
            retained.open()
        assert retained.seen((topic_key("t/a"), salt), copy("t/a", "2"))
        assert context.counts["retained_problems"] == 1
        assert [line.level for line in context.logs] == ["warning"]
        (tmp_path / FILE).rmdir()
        retained.close()
        retained.open()
        retained.close()
        assert context.logs[-1].event.endswith("can be written again")
        assert len(StateFile(tmp_path, "other boot").load()) == 1

    asyncio.run(body())


def test_broker_is_asked_again_when_nothing_waits_any_more(tmp_path: Path) -> None:
    """A message of QoS 1 after a copy of its topic: not while half as much is unacknowledged as there ever was; never where the
    session is new, or only other topics came."""

    def played(present: bool, topic: str) -> list[int]:
        retained = Retained(retained_settings(), RecordingContext(tmp_path))
        (salt,) = retained.salts
        retained.connected(session_present=present)
        assert not retained.seen((topic_key("t/a"), salt), copy("t/a", "new"))
        due = []
        for n, waiting in enumerate([20, 20, 11, 10, 0]):
            retained.waiting(waiting)
            retained.memory.turn[topic_key(topic)] = (n + 1, salt, live(topic, str(n), qos=1))
            retained.handing_on()
            retained.answered(waiting, window=1000)
            if retained.due:
                due.append(waiting)
                retained.ask()
        return due

    assert played(True, "t/a") == [10]
    assert played(True, "t/b") == []
    assert played(False, "t/a") == []


class HandWound:
    """A clock."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall_ns(self) -> int:
        return int(self.now * 1e9)


class World:
    """A broker with states at QoS 0, a node that dies in every way, and the store behind it."""

    TOPICS = ("t/a", "t/b")

    def __init__(self, folder: Path) -> None:
        self.context = RecordingContext(folder)
        self.clock = self.context.clock = HandWound()
        self.path = folder / FILE
        self.path.unlink(missing_ok=True)
        self.boots = 0
        self.states: dict[str, str] = {}
        self.stored: list[tuple[str, str]] = []  # of earlier lives, then emitted in this one
        self.born = 0  # how many of them are of earlier lives
        self.disk: list[bytes] = []  # what a power cut may leave, since the last sync
        self.doubles = 0
        self.connected = False
        self.settings = retained_settings()
        self.start()

    def start(self) -> None:
        self.retained = Retained(self.settings, self.context, f"boot {self.boots}")
        self.retained.settled = 0

    def synced(self, descriptor: int) -> None:
        """In the place of `os.fsync`."""
        self.disk.clear()
        self.note()

    def note(self) -> None:
        self.disk.append(self.path.read_bytes() if self.path.exists() else b"")

    def emit(self, message: Message) -> None:
        self.stored.append((message.topic, (message.payload or b"").decode()))
        self.retained.memory.turn[topic_key(message.topic)] = (len(self.stored) - self.born, self.retained.salts[0], message)
        self.retained.handing_on()
        self.note()

    def last(self, topic: str) -> str | None:
        return next((value for of, value in reversed(self.stored) if of == topic), None)

    def connect(self) -> None:
        if self.connected:
            return
        self.connected = True
        self.retained.open()
        self.note()
        for topic, value in self.states.items():
            if not self.retained.seen((topic_key(topic), self.retained.salts[0]), copy(topic, value)):
                self.doubles += self.last(topic) == value
                self.emit(copy(topic, value))
        assert {topic: self.last(topic) for topic in self.states} == self.states

    def close(self) -> None:
        if self.connected:
            self.connected = False
            self.retained.close()
            self.note()

    def publish(self, topic: int, value: int) -> None:
        self.states[self.TOPICS[topic]] = str(value)
        if self.connected:
            self.emit(live(self.TOPICS[topic], str(value)))

    def settle(self, share: int) -> None:
        self.retained.settled += (len(self.stored) - self.born - self.retained.settled) * share // 3

    def wait(self, seconds: int) -> None:
        for step in (0, seconds):
            self.clock.now += step
            if self.connected:
                self.retained._sweep()
                self.note()

    def crash(self, share: int) -> None:
        """The process dies; of what was not settled some is stored, from the first on."""
        open_ = len(self.stored) - self.born - self.retained.settled
        del self.stored[len(self.stored) - open_ + open_ * share // 3 :]
        if self.retained._timer is not None:
            self.retained._timer.cancel()
        self.connected = False
        self.born = len(self.stored)
        self.start()

    def cut(self, share: int, left: int, torn: int) -> None:
        """The machine goes down as well: the file is as it was at any time since the last sync, or a little shorter."""
        self.boots += 1
        self.crash(share)
        if self.disk:
            data = self.disk[left % len(self.disk)]
            self.path.write_bytes(data[: max(len(self.disk[0]), len(data) - torn)])


class Life(msgspec.Struct):
    """What happens from one connect to the next: values while away and while connected, whether what was there at the connect,
    and each value, is settled and left in quiet; how it ends, and what of it is stored and on disk."""

    away: list[int]
    quiet: bool
    changes: list[tuple[int, bool]]
    end: str
    share: int
    left: int
    torn: int


lives = st.builds(
    Life,
    st.lists(st.integers(0, 1), max_size=1),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=2),
    st.sampled_from(["close", "crash", "cut"]),
    st.sampled_from([0, 1, 3, 3]),
    st.integers(0, 2),
    st.sampled_from([0, 5, 30]),
)


@settings(max_examples=250, deadline=None)
@given(plan=st.lists(lives, min_size=1, max_size=5))
def test_last_stored_state_is_the_brokers_after_every_connect(tmp_path_factory: pytest.TempPathFactory, plan: list[Life]) -> None:
    """Whatever dies when: no state is missed (asserted in `connect`); and none comes twice where nothing died."""
    folder = tmp_path_factory.getbasetemp() / "world"
    folder.mkdir(exist_ok=True)

    async def body(patch: pytest.MonkeyPatch) -> None:
        world = World(folder)
        patch.setattr(os, "fsync", world.synced)
        world.publish(1, 0)
        for life in plan:
            for value in life.away:
                world.publish(0, value)
            world.connect()
            if life.quiet:
                world.settle(3)
                world.wait(31)
            for value, quiet in life.changes:
                world.publish(0, value)
                if quiet:
                    world.settle(3)
                    world.wait(31)
            if life.end == "close":
                world.settle(life.share)
                world.close()
            elif life.end == "crash":
                world.crash(life.share)
            else:
                world.cut(life.share, life.left, life.torn)
        world.connect()
        if {"close"} == {life.end for life in plan}:
            assert world.doubles == 0
        world.settle(3)
        world.close()
        before = len(world.stored)
        world.crash(3)  # after an orderly end
        world.connect()
        assert len(world.stored) == before
        world.crash(3)

    with pytest.MonkeyPatch.context() as patch:
        asyncio.run(body(patch))


def test_states_that_were_quiet_do_not_come_again_after_kill_9(tmp_path: Path) -> None:
    """What changed in the last half minute comes once more, the others do not."""

    async def body() -> None:
        world = World(tmp_path)
        world.states = {"t/a": "1", "t/b": "1"}
        world.connect()
        world.settle(3)
        world.wait(31)
        world.publish(1, 2)
        world.settle(3)
        world.wait(5)
        world.crash(3)
        world.connect()
        assert world.stored == [("t/a", "1"), ("t/b", "1"), ("t/b", "2"), ("t/b", "2")]
        world.close()

    asyncio.run(body())
