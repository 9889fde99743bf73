"""The parts without I/O: inbox, acknowledgement window, forget gate, pings, keys, session file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.acks import AckWindow, ForgetGate
from adapters.mqtt.inbox import Inbox
from adapters.mqtt.keys import key_stem, reading_key
from adapters.mqtt.pings import Pings
from adapters.mqtt.seam import Message
from adapters.mqtt.session import FILE, SessionFile
from rt_edge.testkit.mqtt_broker import packets as p


def message(n: int, qos: int = 1, size: int = 10) -> Message:
    return Message("t", b"%d" % n + bytes(size), qos, False, False, n if qos else 0)


def number(waiting: object) -> int:
    return int(waiting.message.payload.rstrip(b"\0"))  # type: ignore[attr-defined]


def drain(inbox: Inbox) -> list[int]:
    found = []
    while (waiting := inbox.pop()) is not None:
        found.append(number(waiting))
    return found


@pytest.mark.parametrize(("strategy", "kept"), [("drop_oldest", [3, 4, 5]), ("drop_newest", [1, 2, 3])])
def test_inbox_drops_by_its_strategy_when_qos_0_exceeds_it(strategy: str, kept: list[int]) -> None:
    """Beyond the bound one QoS 0 message goes for each that comes, oldest or newest, and is counted."""
    inbox = Inbox(3, 100_000, strategy)  # type: ignore[arg-type]
    for n in range(1, 6):
        inbox.add(message(n, qos=0), 0)
    assert inbox.dropped == 2
    assert drain(inbox) == kept
    assert inbox.bytes == 0


def test_inbox_never_drops_held_messages_when_it_is_full_and_says_so() -> None:
    """QoS 1 stays, whatever comes; QoS 0 makes no room at their cost; `full` stops the reading, `roomy` starts it again."""
    inbox = Inbox(4, 100_000, "drop_oldest")
    for n in range(1, 5):
        inbox.add(message(n), 0)
    assert inbox.full
    inbox.add(message(5, qos=0), 0)
    assert inbox.dropped == 1
    inbox.pop()
    assert not inbox.full
    assert not inbox.roomy
    inbox.pop()
    assert inbox.roomy
    assert drain(inbox) == [3, 4]


def test_inbox_is_full_when_its_bytes_are() -> None:
    """A few large messages fill it as well as many small ones; QoS 0 gives way in bytes too."""
    inbox = Inbox(1000, 10_000, "drop_oldest")
    inbox.add(message(1, qos=0, size=6000), 0)
    inbox.add(message(2, size=5000), 0)
    inbox.add(message(3, qos=0, size=4000), 0)
    assert inbox.dropped == 1
    assert not inbox.full
    inbox.add(message(4, size=5000), 0)
    assert inbox.full
    assert drain(inbox) == [2, 3, 4]


def test_inbox_forgets_held_messages_when_the_broker_sends_them_again() -> None:
    """After a reconnect with the session only QoS 0 stays; without it all stay, as orphans."""
    inbox = Inbox(10, 100_000, "drop_oldest")
    for n in range(1, 5):
        inbox.add(message(n, qos=n % 2), 0)
    inbox.orphan_held()
    assert [w.orphan for w in inbox._held] == [True, True]
    inbox.forget_held()
    assert drain(inbox) == [2, 4]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=40), st.data())
def test_acks_go_in_the_order_of_arrival_when_settlement_comes_in_any_steps(
    messages: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Each message is acknowledged once, in order, and only when all Readings up to its last are settled."""
    window, last, ends = AckWindow(0, 1000), 0, []
    for arrival, (readings, qos) in enumerate(messages, 1):
        last += readings
        window.add(last, arrival, qos, arrival)
        if qos:
            ends.append((last, arrival))
    acked: list[int] = []
    settled = 0
    while settled < last:
        settled = data.draw(st.integers(settled + 1, last))
        acked += [mid for mid, _ in window.settled(settled)]
        assert acked == [mid for end, mid in ends if end <= settled]
        assert window.through <= settled
    acked += [mid for mid, _ in window.settled(last)]
    assert acked == [mid for _, mid in ends]
    assert window.arrivals == len(messages)


def test_acks_window_stays_small_when_qos_0_floods() -> None:
    """Messages without an acknowledgement share one entry."""
    window = AckWindow(0, 10)
    for n in range(1, 10_000):
        window.add(n, 0, 0, n)
    assert len(window) == 1
    window.settled(9_999)
    assert window.through == 9_999


def test_gate_stays_shut_when_copies_may_still_come() -> None:
    """After a reconnect keys live until a quiet answer, and until the broker has the acknowledgement of every copy."""
    window = AckWindow(50, 100)
    gate = ForgetGate(session_present=True)
    gate.saw_dup()
    window.add(51, 7, 1, 1)
    assert not gate.answered(1, window, 50)  # a copy came since the connect
    assert not gate.answered(1, window, 50)  # quiet, but the copy is not acknowledged
    window.settled(51)
    assert not gate.answered(1, window, 50)  # acknowledged, but after this question was asked
    assert gate.answered(1, window, 51)
    assert gate.answered(9, window, 51)


def test_gate_shuts_again_when_another_copy_comes() -> None:
    """A broker that sends its copies in several portions is waited for."""
    window = AckWindow(0, 100)
    gate = ForgetGate(session_present=True)
    window.add(1, 1, 1, 1)
    assert not gate.answered(1, window, 0)
    gate.saw_dup()
    window.add(2, 2, 1, 2)
    window.settled(2)
    assert not gate.answered(2, window, 1)
    assert gate.answered(2, window, 2)


def test_gate_is_open_when_the_session_is_new() -> None:
    """Nothing of an earlier connection can come again."""
    assert ForgetGate(session_present=False).answered(0, AckWindow(0, 1), 0)


def test_pings_tell_what_was_acknowledged_before_each_question() -> None:
    """An answer covers what went before its own question, not what went before the answer."""
    pings = Pings()
    assert pings.acknowledged(5)
    pings.sent()
    assert pings.acknowledged(9)
    assert not pings.acknowledged(9)
    pings.sent()
    assert (pings.answered(), pings.answered(), pings.answered()) == (5, 9, None)


def test_pings_are_bounded_when_nobody_answers() -> None:
    """A broker that does not answer costs no memory."""
    pings = Pings()
    while pings.room:
        pings.sent()
    assert len(pings._sent) == Pings.MOST


def stem(topic: str = "t", payload: bytes = b"x", mid: int = 1, properties: p.Properties | None = None) -> bytes:
    raw = p.packed(properties or {})[1:]
    return key_stem(Message(topic, payload, 1, False, False, mid, raw))


def test_key_is_equal_when_only_what_a_broker_may_change_differs() -> None:
    """Message expiry is counted down by the broker, subscription identifiers change with a new subscription: not content."""
    assert stem(properties={2: 60, 3: b"text/plain"}) == stem(properties={2: 41, 3: b"text/plain", 0x0B: [7]})


@pytest.mark.parametrize("other", [{"topic": "u"}, {"payload": b"y"}, {"mid": 2}, {"properties": {3: b"a"}}])
def test_key_differs_when_the_message_does(other: dict[str, object]) -> None:
    """Topic, payload, properties and identifier are all in the key."""
    assert stem(**other) != stem()  # type: ignore[arg-type]


def test_key_differs_when_bytes_move_between_topic_and_payload() -> None:
    """The digest knows where the topic ends."""
    assert stem("ab", b"c") != stem("a", b"bc")


def test_keys_are_distinct_when_a_payload_has_many_readings() -> None:
    """The place makes the keys of one payload differ."""
    keys = {reading_key(stem(), place) for place in range(70_000) if place < 65_536}
    assert len(keys) == 65_536
    assert {len(k) for k in keys} == {11, 12}


def test_session_file_gives_a_new_token_when_the_broker_has_forgotten_us(tmp_path: Path) -> None:
    """The token stays while the session does, over processes; it changes with the session, the broker or the client id."""
    first = SessionFile(tmp_path).connected("b:1 id", session_present=False)
    assert SessionFile(tmp_path).connected("b:1 id", session_present=True) == first
    second = SessionFile(tmp_path).connected("b:1 id", session_present=False)
    assert second != first
    assert SessionFile(tmp_path).connected("c:1 id", session_present=True) != second


def test_session_file_remembers_filters_and_client_id_when_read_again(tmp_path: Path) -> None:
    """What may be subscribed is on disk before it is subscribed; the id is made once."""
    memory = SessionFile(tmp_path)
    memory.connected("b", session_present=False)
    memory.subscribing(["a", "b"])
    assert SessionFile(tmp_path).memory.filters == ["a", "b"]
    memory.subscribed(["b"])
    again = SessionFile(tmp_path)
    assert again.memory.filters == ["b"]
    assert again.client_id("x") == memory.client_id("x")


@pytest.mark.parametrize("damage", [b"", b"{", b'{"client_id": 5}', b"\xff\xff"])
def test_session_file_is_made_anew_when_damaged(tmp_path: Path, damage: bytes) -> None:
    """A torn file costs the session, not the start; it is reported."""
    SessionFile(tmp_path)
    (tmp_path / FILE).write_bytes(damage)
    memory = SessionFile(tmp_path)
    assert memory.damaged
    assert memory.memory.token == ""
    assert SessionFile(tmp_path).damaged == ""
