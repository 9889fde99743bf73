"""The desk under hand-wound time: order, keys, expiry, priority, dry runs, and what is said after a crash."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rt_edge.commands.command import Command
from rt_edge.commands.desk import DeskLimits
from rt_edge.commands.effects import Save, Send
from rt_edge.sdk import WriteResult

sys.path.insert(0, str(Path(__file__).parent))

from desk_world import DeskWorld


def test_command_is_told_each_state_when_all_goes_well():
    """Accepted, sent, confirmed, with the old value; one line in the audit log."""
    world = DeskWorld()
    world.device["a"] = 3
    first = world.ask("a", 5, "k", who="eva", where="hall")
    assert (first.state, first.final) == ("accepted", False)
    world.until(1)
    assert world.told["k"] == ["accepted", "sent", "confirmed"]
    assert world.ends["k"].old == 3
    assert world.wire == [("a", 5, "k")]
    (line,) = world.audit
    assert (line.command.who, line.command.where, line.old, line.state) == ("eva", "hall", 3, "confirmed")


@pytest.mark.parametrize(
    ("point", "value", "words"),
    [
        ("aa", 1, "there is no point 'aa' (did you mean 'a'?"),
        ("fixed", 1, "fixed is not writable; say `writable: true` at the point"),
        ("a", -1, "a takes 0 to 1000000000, not -1"),
        ("a", 1.5, "a takes a whole number, not 1.5"),
        ("a", "x", "a takes a finite number, not 'x'"),
        ("a", True, "a takes a finite number, not True"),
        ("a", float("nan"), "a takes a finite number, not nan"),
    ],
)
def test_command_is_refused_when_the_point_does_not_take_it(point, value, words):
    """Refused at once, nothing written down or sent, the reason in words; the log has it."""
    world = DeskWorld()
    outcome = world.ask(point, value, "k")
    assert (outcome.state, outcome.final) == ("refused", True)
    assert outcome.message.startswith(words.rstrip("?")), outcome.message
    world.until(1)
    assert not world.disk
    assert not world.wire
    assert [row.state for row in world.audit] == ["refused"]


def test_same_key_is_answered_and_not_repeated_when_it_comes_again():
    """While it is under way, after its end, and after a restart; for another value the key is refused."""
    world = DeskWorld()
    world.ask("a", 5, "k")
    world.ask("a", 5, "k")
    world.until(1)
    assert world.ask("a", 5, "k").state == "confirmed"
    assert world.desk.counters["repeated"] == 2
    other = world.ask("a", 6, "k")
    assert other.state == "refused"
    assert "was used for 5 to a" in other.message
    world.kill()
    world.start()
    assert world.ask("a", 5, "k").state == "confirmed"
    assert world.wire == [("a", 5, "k")]


def test_command_that_comes_after_its_time_is_not_begun():
    """It was on its way too long: what is known of its key is said; of an unknown one, that it is not sent."""
    world = DeskWorld()
    world.ask("a", 5, "k")
    world.until(1)
    assert world.ask("a", 5, "k", expires_s=0.0).state == "confirmed"
    assert (world.ask("a", 6, "late", expires_s=0.0).state, world.ask("a", 6, "nan", expires_s=float("nan")).state) == (
        "expired",
        "expired",
    )
    world.until(1)
    assert world.wire == [("a", 5, "k")]


def test_late_command_under_the_key_of_another_one_is_refused():
    """It is not told what became of the other one as if that were its own end."""
    world = DeskWorld()
    world.ask("a", 5, "k")
    world.until(1)
    assert world.ask("a", 6, "k", expires_s=0.0).state == "refused"
    assert world.ask("b", 5, "k", expires_s=0.0).state == "refused"


def test_nothing_is_told_before_it_is_written_down():
    """Neither to who asks first nor to who asks again, at no moment: a crash would make it untrue."""
    world = DeskWorld(save_s=1.0)
    world.desk.connected(False)
    command = Command("k", "blind", 5, expires_s=1000)
    assert not world.desk.submit(command).final
    world.run()
    assert not world.desk.submit(command).final
    assert not world.desk.can_say("k")
    world.time.run_until(100, lambda: "k" in world.told)
    assert world.desk.can_say("k")
    world.desk.connected(True)
    world.run()
    world.time.run_until(100, lambda: world.desk.counters.get("confirmed", 0))
    assert not world.desk.submit(command).final
    assert not world.desk.can_say("k")
    world.until(10)
    assert world.desk.submit(command).final
    assert world.told["k"] == ["accepted", "sent", "confirmed"]


def test_key_is_forgotten_when_it_is_too_old_or_too_many_came_after():
    """The table of keys has a bound and an age."""
    world = DeskWorld(limits=DeskLimits(keep=2, keep_s=100))
    for i in range(3):
        world.ask("a", i, f"k{i}")
        world.until(1)
    world.ask("a", 0, "k0")
    world.until(1)
    assert [key for _, _, key in world.wire] == ["k0", "k1", "k2", "k0"]
    world.ask("a", 2, "k2")
    world.until(1)
    assert len(world.wire) == 4
    world.until(101)
    world.ask("a", 2, "k2")
    world.until(1)
    assert len(world.wire) == 5


def test_command_expires_when_the_adapter_is_away_too_long():
    """It waits for the connection, and is never sent after its time."""
    world = DeskWorld()
    world.desk.connected(False, "no route to host")
    world.run()
    world.ask("a", 5, "soon", expires_s=5)
    world.ask("a", 6, "patient", expires_s=50)
    world.until(6)
    assert world.ends["soon"].state == "expired"
    assert world.ends["soon"].message == "not sent within 5 s: the adapter is not connected (no route to host)"
    world.desk.connected(True)
    world.run()
    world.until(1)
    assert world.ends["patient"].state == "confirmed"
    assert world.wire == [("a", 6, "patient")]


def test_command_expires_when_the_disk_is_slower_than_its_time():
    """Also between the wish to send it and the durable intent."""
    world = DeskWorld(save_s=10.0)
    world.ask("blind", 5, "k", expires_s=0.001)
    world.ask("blind", 6, "next", expires_s=1000)
    world.until(200)
    assert world.ends["k"].state == "expired"
    assert world.ends["next"].state == "sent" or world.ends["next"].state == "confirmed"
    assert world.wire == [("blind", 6, "next")]


def test_command_is_not_sent_when_its_time_ended_while_nobody_looked():
    """The intent became durable late, and no timer came before: the deadline is looked at once more before the first byte."""
    world = DeskWorld()
    desk = world.desk
    desk.submit(Command("k", "blind", 5, expires_s=1.0))
    (row,) = [effect.row for effect in desk.take() if isinstance(effect, Save) and effect.row.phase == "sending"]
    world.time.now = 2.0
    desk.saved("k", row.phase)
    effects = desk.take()
    assert not [effect for effect in effects if isinstance(effect, Send)]
    assert [effect.row.state for effect in effects if isinstance(effect, Save)] == ["expired"]


def test_command_with_priority_passes_others_but_not_its_own_point():
    """It goes before what waits for other points, behind what came earlier for its own."""
    world = DeskWorld(write_s=1.0)
    world.ask("b", 1, "running")
    world.until(0.5)
    world.ask("b", 2, "b2")
    world.ask("a", 3, "a3")
    world.ask("blind", 4, "slow")
    world.ask("a", 5, "urgent", priority=True)
    world.until(60)
    assert [key for _, _, key in world.wire] == ["running", "a3", "urgent", "b2", "slow"]


def test_dry_run_sends_and_remembers_nothing():
    """It says what would be written over what, refuses what would be refused, and its key stays free."""
    world = DeskWorld()
    world.device["a"] = 4
    world.ask("a", 5, "k", dry_run=True)
    world.until(1)
    outcome = world.ends.pop("k")
    assert (outcome.state, outcome.final, outcome.old, outcome.message) == ("accepted", True, 4, "dry run: 5 would be written")
    assert world.ask("a", -1, "bad", dry_run=True).state == "refused"
    assert not world.wire
    assert not world.disk
    world.ask("a", 5, "k")
    world.until(1)
    assert world.ends["k"].state == "confirmed"


@pytest.mark.parametrize("first", [True, False])
def test_key_of_a_dry_run_is_not_that_of_a_command_while_it_is_under_way(first):
    """Neither is taken for the other: who wants it written would hear that it would be."""
    world = DeskWorld(write_s=1.0)
    world.desk.submit(Command("k", "a", 5, dry_run=first))
    other = world.desk.submit(Command("k", "a", 5, dry_run=not first))
    assert other.state == "refused"
    assert other.message == ("the key 'k' was used for a dry run of 5 to a" if first else "the key 'k' was used for 5 to a")
    world.run()
    world.until(60)
    assert len(world.wire) == (0 if first else 1)


def test_unanswered_write_is_read_back():
    """`sent` by the adapter: the point says confirmed or failed; unknown when it is silent, `sent` when it cannot be read."""
    world = DeskWorld()
    world.answer = lambda point, value: WriteResult("sent", "no answer")
    world.ask("a", 5, "stuck")
    world.until(1)
    assert (world.ends["stuck"].state, world.ends["stuck"].message) == ("confirmed", "no answer; read back")
    world.ask("blind", 5, "blind")
    world.until(1)
    assert world.ends["blind"].state == "sent"
    world.readable = False
    world.ask("a", 6, "silent")
    world.until(1)
    assert world.ends["silent"].state == "unknown"
    world.readable = True
    arrive, world._arrive = world._arrive, lambda send: None
    world.ask("a", 7, "lost")
    world.until(1)
    assert (world.ends["lost"].state, world.ends["lost"].message) == ("failed", "no answer; the point reads 6")
    world._arrive = arrive


def test_adapter_that_does_not_answer_leaves_unknown_and_keeps_its_point():
    """After the limit the asker hears `unknown`; the next command to the point waits until the adapter has answered."""
    world = DeskWorld(limits=DeskLimits(send_s=10), write_s=30.0)
    world.ask("blind", 1, "slow")
    world.until(0.1)
    world.ask("blind", 2, "next", expires_s=100)
    world.until(15)
    assert world.ends["slow"].state == "unknown"
    assert world.told["next"] == ["accepted"]
    world.until(70)
    assert world.wire == [("blind", 1, "slow"), ("blind", 2, "next")]
    assert world.desk.counters["late"] == 2


def test_command_in_the_hand_of_an_adapter_is_not_forgotten():
    """However many came after it: its point is free again when the adapter has answered."""
    world = DeskWorld(limits=DeskLimits(at_once=2, send_s=1, keep=1))
    answered = world.desk.written
    world.desk.written = lambda key, result: None if key == "slow" else answered(key, result)
    world.ask("blind", 1, "slow")
    world.ask("blind", 2, "next", expires_s=1000)
    for value in range(1, 5):
        world.until(1)
        world.ask("a", value, f"k{value}")
    world.until(1)
    assert world.ends["slow"].state == "unknown"
    assert "next" not in world.ends
    answered("slow", WriteResult("confirmed"))
    world.run()
    world.until(1)
    assert world.ends["next"].state == "confirmed"


def test_command_whose_intent_was_durable_as_the_adapter_went_is_not_in_doubt():
    """Nothing went out, and the journal says so: after a crash it is sent, once."""
    world = DeskWorld(save_s=1.0)
    world.ask("blind", 5, "k", expires_s=1000)
    world.desk.connected(False)
    world.run()
    world.until(20)
    assert [row.phase for row in world.disk.values()] == ["accepted"]
    world.kill()
    world.start()
    world.until(20)
    assert (world.ends["k"].state, world.wire) == ("confirmed", [("blind", 5, "k")])


def test_too_many_commands_are_refused():
    """What waits has a bound."""
    world = DeskWorld(limits=DeskLimits(waiting=3))
    world.desk.connected(False)
    outcomes = [world.ask("a", i, f"k{i}").state for i in range(4)]
    assert outcomes == ["accepted"] * 3 + ["refused"]


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("point", ["a", "blind"])
def test_command_in_doubt_is_not_repeated_after_a_crash(point, arrived):
    """Intent durable, no result: read back, `confirmed` or `failed`; `unknown` where it cannot be read."""
    world = DeskWorld(write_s=1.0)
    if not arrived:
        world._arrive = lambda send: None
    world.ask(point, 5, "k")
    world.time.run_until(100, lambda: "sent" in world.told.get("k", []))
    world.kill()
    world.until(5)
    world.start()
    world.ask(point, 6, "next")
    world.until(10)
    assert world.ends["k"].state == ("unknown" if point == "blind" else "confirmed" if arrived else "failed")
    assert [key for _, _, key in world.wire] == (["k", "next"] if arrived else [])
    assert world.ask(point, 5, "k").state == world.ends["k"].state


def test_command_in_doubt_is_unknown_when_its_point_stays_silent():
    """It is read again until its time is over; what follows at the point waits for it."""
    world = DeskWorld(write_s=1.0)
    world.ask("a", 5, "k")
    world.time.run_until(100, lambda: "sent" in world.told.get("k", []))
    world.kill()
    world.readable = False
    world.start()
    world.ask("a", 6, "next", expires_s=500)
    world.until(30)
    assert "k" not in world.ends
    assert "next" not in world.ends
    world.until(60)
    assert world.ends["k"].state == "unknown"
    assert world.ends["next"].state == "confirmed"


def test_waiting_commands_go_on_after_a_restart_and_expire_after_a_boot():
    """Not a byte went out: within their time they are sent, in order; after another boot their time means nothing."""
    for boot, ends in (("boot-1", "confirmed"), ("boot-2", "expired")):
        world = DeskWorld()
        world.desk.connected(False)
        world.ask("a", 1, "one", expires_s=100)
        world.ask("a", 2, "two", expires_s=100)
        world.until(1)
        world.kill()
        world.boot = boot
        world.start()
        world.until(10)
        assert {key: end.state for key, end in world.ends.items()} == {"one": ends, "two": ends}
        assert [key for _, _, key in world.wire] == (["one", "two"] if ends == "confirmed" else [])


@pytest.mark.parametrize("seed", range(60))
def test_invariants_hold_when_everything_happens_at_random(seed):
    """Crashes, cuts, slow disks, silence: nothing twice, nothing late, nothing out of order, no end that changes."""
    world = DeskWorld(seed, DeskLimits(at_once=1 + seed % 3, send_s=5, doubt_s=20), save_s=0.05, write_s=0.3)
    random = world.random
    asked: dict[str, tuple[str, int]] = {}
    world.answer = lambda point, value: random.choice([WriteResult("confirmed"), WriteResult("sent", "?"), WriteResult("failed")])
    for i in range(80):
        chance = random.random()
        if chance < 0.08:
            world.kill()
            world.until(random.uniform(0, 1))
            world.start(is_open=random.random() < 0.8)
        elif chance < 0.2:
            world.desk.connected(random.random() < 0.6)
            world.run()
        elif chance < 0.3:
            world.readable = random.random() < 0.7
        elif chance < 0.4 and asked:
            key = random.choice(sorted(asked))
            world.ask(asked[key][0], asked[key][1], key)
        else:
            key, point, expires = f"k{i}", random.choice(["a", "b", "blind"]), random.choice([0.2, 1.0, 5.0])
            value = i + 1  # not what the devices hold at first
            outcome = world.ask(point, value, key, expires_s=expires, priority=random.random() < 0.2)
            if outcome.state != "refused":
                asked[key] = (point, value)
        world.until(random.uniform(0, 0.4))
    world.readable = True
    world.desk.connected(True)
    world.run()
    world.until(200)
    keys = [key for _, _, key in world.wire]
    assert len(keys) == len(set(keys)), "sent twice"
    rows = {row.command.key: row for row in world.disk.values()}
    for point in ("a", "b", "blind"):
        order = [rows[key].number for p, _, key in world.wire if p == point]
        assert order == sorted(order), f"{point}: overtaken"
    assert not world.late, "sent after its time"
    assert {row.phase for row in rows.values()} <= {"ended"}, "left without an end"
    for key, row in rows.items():
        if row.state in ("expired", "refused"):
            assert key not in keys, f"{key} {row.state} and sent"
        if row.state == "confirmed":
            assert key in keys
    assert world.desk.waiting == 0
    assert world.desk.under_way == 0


def test_number_of_a_command_grows_over_lives():
    """Numbers order the journal over restarts."""
    world = DeskWorld()
    world.ask("a", 1, "one")
    world.until(1)
    world.kill()
    world.start()
    world.ask("a", 2, "two")
    world.until(1)
    assert [world.disk[n].command.key for n in sorted(world.disk)] == ["one", "two"]
    assert isinstance(world.disk[1].command, Command)
