"""Polls and observations of a running adapter: demand, refusal, registration and its end, blocks, dead hosts, bad networks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

import aiocoap
import pytest

from rt_edge.data.errors import TransientError
from rt_edge.testkit.adapter_harness import AdapterHarness
from tests.adapters.coap.peers import (
    AiocoapServer,
    LibcoapServer,
    Relay,
    Value,
    client,
    free_port,
    harness,
    libcoap_client,
    push,
)


def run(work: Callable[[], Coroutine[Any, Any, None]], within: float = 30.0) -> None:
    asyncio.run(asyncio.wait_for(work(), within))


def one_host(port: int, **resources: Any) -> dict[str, Any]:
    return {"tank": {"url": f"coap://127.0.0.1:{port}", "resources": resources}}


def descriptors_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def values(h: AdapterHarness) -> list[Any]:
    return [reading.fields["value"] for reading in h.readings]


def test_is_not_asked_when_there_is_no_demand(tmp_path: Path) -> None:
    """Without demand no GET and no registration leave; slots that nobody wanted are counted, and made up for once."""

    async def work() -> None:
        polled, observed = Value(), Value()
        async with AiocoapServer({"/p": polled, "/o": observed}) as server:
            hosts = one_host(server.port, p={"path": "/p", "every": "10ms"}, o={"path": "/o", "observe": True})
            h = harness(tmp_path / "d", hosts=hosts)
            await h.open()
            await h.until(lambda: h.context.counts.get("polls_skipped", 0) >= 20)
            assert (polled.gets, observed.gets, observed.registrations) == (0, 0, 0)
            h.demand(2)
            await h.received(2)
            assert observed.registrations == 1
            assert polled.gets == 1
            await h.close()

    run(work)


def test_values_and_tags_are_those_of_libcoap_when_it_is_the_peer(tmp_path: Path) -> None:
    """What its client put there by blocks is read by blocks; each resource is a tag."""

    async def work() -> None:
        async with LibcoapServer("-d", "5") as server:
            big = tmp_path / "big"
            big.write_bytes(b"".join(b"%08d" % i for i in range(2500)))
            base = f"coap://127.0.0.1:{server.port}"
            said = await libcoap_client("-m", "put", "-b", "256", "-f", str(big), f"{base}/example_data")
            assert "c:4" not in said
            resources = {
                "big": {"path": "/example_data", "every": "50ms", "codec": "raw"},
                "time": {"path": "/time?ticks", "every": "50ms", "codec": "raw", "type": "int", "field": "ticks"},
            }
            h = harness(tmp_path / "d", hosts={"a": {"url": base, "resources": resources, "tags": {"line": "7"}}})
            await h.open()
            h.demand(4)
            await h.received(4)
            await h.close()
            by = {reading.tags["resource"]: reading for reading in h.readings}
            assert by["big"].fields == {"value": big.read_text()}
            assert by["time"].fields["ticks"] > 0
            assert {reading.source for reading in h.readings} == {"field/a"}
            assert by["time"].tags == {"line": "7", "resource": "time"}

    run(work)


def test_goes_on_when_libcoap_is_killed_and_started_again(tmp_path: Path) -> None:
    """An observed clock: the loss is said once, the observation is there again after the return, with a gap record in between."""

    async def work() -> None:
        async with LibcoapServer() as server:
            h = harness(tmp_path / "d", hosts=one_host(server.port, time={"path": "/time", "observe": True, "codec": "raw"}))
            h.demand(1000)
            await h.open()
            await h.received(3)
            await server.kill()
            await h.until(lambda: bool(h.context.losses))
            assert isinstance(h.context.losses[0], TransientError)
            await h.adapter.close()
            with pytest.raises(TransientError):
                await h.open()
            await h.adapter.close()
            before = len(h.emitted)
            await server.start()
            await h.open()
            await h.received(before + 3)
            await h.close()
            assert len(h.context.losses) == 1
            (gap,) = h.context.gaps
            assert (gap[0], gap[1]) == ("field/tank", "timeout")
            assert gap[3] > gap[2] > 0

    run(work)


def test_says_what_a_restart_missed_when_the_process_died(tmp_path: Path) -> None:
    """The gap goes from the last Reading that was stored in the life before to the first of this one; what was emitted and not
    stored belongs to it."""

    async def work() -> None:
        async with LibcoapServer() as server:
            hosts = one_host(server.port, time={"path": "/time", "every": "10ms", "codec": "raw"})
            before = harness(tmp_path / "d", hosts=hosts)
            before.demand(3)
            await before.open()
            await before.received(3)
            before.settle(1)
            stored = before.readings[0].received
            after = harness(tmp_path / "d", hosts=hosts)  # the life before is not closed: it was killed
            after.demand(1)
            await after.open()
            await after.received(1)
            assert after.context.gaps == [("field/tank", "restart", stored, after.readings[0].received)]
            await after.close()
            await before.close()

    run(work)


def test_is_polled_when_the_host_does_not_observe(tmp_path: Path) -> None:
    """The registration is answered like a GET; from then on it is asked for at its period, and that is said once."""

    async def work() -> None:
        value = Value(b"1", observable=False)
        async with AiocoapServer({"/v": value}) as server:
            h = harness(tmp_path / "d", hosts=one_host(server.port, v={"path": "/v", "observe": True, "every": "20ms"}))
            h.demand(10)
            await h.open()
            await h.received(10)
            await h.close()
            assert value.registrations == 1
            assert h.context.counts["observe_refused"] == 1
            assert len([line for line in h.context.logs if "polled" in line.event]) == 1

    run(work)


def test_is_registered_again_when_max_age_is_nearly_over(tmp_path: Path) -> None:
    """With a Max-Age of 2 s and no change the host is asked again within it, with the same token; nothing is emitted twice."""

    async def work() -> None:
        value = Value(b"1", max_age=2)
        async with AiocoapServer({"/v": value}) as server:
            h = harness(tmp_path / "d", hosts=one_host(server.port, v={"path": "/v", "observe": True}))
            h.demand(10)
            await h.open()
            await h.until(lambda: h.context.counts.get("refreshed", 0) >= 2)
            assert value.registrations >= 3
            assert value.observers == 1
            value.set(b"2")
            await h.until(lambda: values(h)[-1:] == [2])
            await h.close()
            assert values(h) == [1, 2]

    run(work)


def test_is_heard_again_when_the_host_forgot_its_observers(tmp_path: Path) -> None:
    """A host that was restarted too fast to be missed says nothing; `refresh` bounds that. It counts anew."""

    async def work() -> None:
        value = Value(b"1", max_age=3600)
        async with AiocoapServer({"/v": value}) as server:
            hosts = one_host(server.port, v={"path": "/v", "observe": True})
            h = harness(tmp_path / "d", hosts=hosts, refresh="1s", keepalive="0s")
            h.demand(100)
            await h.open()
            await h.received(1)
            for number in range(2, 8):
                value.set(b"%d" % number)
                await h.until(lambda number=number: values(h)[-1] == number)
            await server.stop()
            fresh = Value(b"50", max_age=3600)
            server.resources["/v"] = fresh
            await server.start()
            await h.until(lambda: values(h)[-1] == 50)
            fresh.set(b"51")
            await h.until(lambda: values(h)[-1] == 51)
            assert not h.context.losses
            await h.close()

    run(work)


def test_is_deregistered_when_demand_stays_away_and_registered_when_it_returns(tmp_path: Path) -> None:
    """After `hold` the host has no observer; what it says later is not read; a gap record says from when to when."""

    async def work() -> None:
        value = Value(b"1")
        async with AiocoapServer({"/v": value}) as server:
            h = harness(tmp_path / "d", hosts=one_host(server.port, v={"path": "/v", "observe": True}), hold="100ms")
            h.demand(1)
            await h.open()
            await h.received(1)
            assert value.observers == 1
            await h.until(lambda: h.context.counts.get("deregistered", 0) == 1)
            assert value.observers == 0
            value.set(b"2")
            value.set(b"3")
            h.demand(5)
            await h.received(2)
            assert values(h) == [1, 3]
            await h.until(lambda: value.observers == 1)
            (gap,) = h.context.gaps
            assert (gap[0], gap[1]) == ("field/tank", "no_demand")
            assert h.readings[0].received <= gap[2] < gap[3] <= h.readings[1].received
            value.set(b"4")
            await h.received(3)
            await h.close()
            assert value.observers == 0

    run(work)


def test_libcoap_says_nothing_more_when_its_observation_was_given_up(tmp_path: Path) -> None:
    """Not a datagram passes between them while the resource changes; with demand it is observed again. What libcoap does not
    let observe is polled."""

    async def work() -> None:
        async with LibcoapServer("-d", "5") as server, client() as writer:

            async def change(text: bytes) -> None:
                assert (await push(writer, server.port, "/v", text, code=aiocoap.PUT)).code.is_successful()

            await change(b"1")
            async with Relay(server.port, Random(1)) as relay:
                one = {"observe": True, "codec": "raw", "type": "int"}
                resources = {"v": {**one, "path": "/v"}, "root": {"path": "/", "observe": True, "every": "50ms", "codec": "raw"}}
                h = harness(tmp_path / "d", hosts=one_host(relay.port, **resources), hold="100ms", keepalive="0s")
                h.demand(5)
                await h.open()
                await h.until(lambda: h.context.counts.get("deregistered", 0) == 1)
                assert (h.context.counts["observe_refused"], h.context.counts["registered"]) == (1, 1)
                assert [r.tags["resource"] for r in h.readings].count("root") == 4
                before = relay.passed
                await change(b"2")
                await change(b"3")
                await h.quiet(0.3)
                assert relay.passed == before
                states = lambda: [r.fields["value"] for r in h.readings if r.tags["resource"] == "v"]  # noqa: E731
                h.demand(1000)
                await h.until(lambda: states() == [1, 3])
                await change(b"4")
                await h.until(lambda: states() == [1, 3, 4])
                await h.close()

    run(work)


def test_the_newest_is_kept_when_it_changes_faster_than_it_is_asked_for(tmp_path: Path) -> None:
    """Notifications without demand are conflated and counted; the reading keeps the time it came."""

    async def work() -> None:
        value = Value(b"0")
        async with AiocoapServer({"/v": value}) as server:
            h = harness(tmp_path / "d", hosts=one_host(server.port, v={"path": "/v", "observe": True}))
            h.demand(1)
            await h.open()
            await h.received(1)
            for number in range(1, 6):
                seen = h.context.counts["notifications"] if number > 1 else 0
                value.set(b"%d" % number)
                await h.until(lambda seen=seen: h.context.counts.get("notifications", 0) > seen)
            h.demand(1)
            await h.received(2)
            assert values(h) == [0, 5]
            assert h.context.counts["conflated"] == 4
            await h.close()

    run(work)


def test_large_notifications_are_whole_when_they_come_in_blocks(tmp_path: Path) -> None:
    """The first block comes by itself, the rest is fetched; a body above max_payload is refused, the next one is read."""

    async def work() -> None:
        body = lambda letter: letter * 5000  # noqa: E731
        value = Value(body(b"a"))
        async with AiocoapServer({"/v": value}) as server:
            resources = {"v": {"path": "/v", "observe": True, "codec": "raw", "every": "50ms"}}
            h = harness(tmp_path / "d", hosts=one_host(server.port, **resources), max_payload="8kB")
            h.demand(100)
            await h.open()
            await h.received(1)
            value.set(body(b"b"))
            await h.until(lambda: values(h)[-1] == body(b"b").decode())
            value.set(b"c" * 20_000)
            await h.until(lambda: h.context.counts.get("answers_bad", 0) >= 1)
            value.set(body(b"d"))
            await h.until(lambda: values(h)[-1] == body(b"d").decode())
            await h.close()
            assert all(len(set(text)) == 1 and len(text) == 5000 for text in values(h))
            warned = [line.event for line in h.context.logs if line.level == "warning"]
            assert warned == ["cannot be read"]

    run(work)


def test_bad_answers_are_said_once_when_a_resource_gives_them(tmp_path: Path) -> None:
    """An error code and a payload that is no number: counted, one warning, one line when it is right again, and a gap record."""

    async def work() -> None:
        value = Value(b"1")
        async with AiocoapServer({"/v": value}) as server:
            resource = {"path": "/v", "every": "10ms", "codec": "raw", "type": "float"}
            h = harness(tmp_path / "d", hosts=one_host(server.port, v=resource))
            h.demand(10_000)
            await h.open()
            await h.received(2)
            value.code = aiocoap.FORBIDDEN
            await h.until(lambda: h.context.counts.get("answers_bad", 0) >= 5)
            value.code, value.payload = None, b"\xff\x00"
            await h.until(lambda: h.context.counts.get("dropped_bad_payload", 0) >= 5)
            value.payload = b"2"
            seen = len(h.emitted)
            await h.received(seen + 2)
            await h.close()
            lines = [(line.level, line.event) for line in h.context.logs]
            assert lines == [("warning", "cannot be read"), ("info", "is read again")]
            assert [gap[1] for gap in h.context.gaps] == ["refused v"]
            assert not h.context.losses

    run(work)


class Deaf(asyncio.DatagramProtocol):
    """A port where nobody answers; message ids of what came."""

    def __init__(self) -> None:
        self.asked: set[bytes] = set()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked.add(data[2:4])


def test_others_go_on_when_a_host_is_dead(tmp_path: Path) -> None:
    """One host of three answers nothing: it is said once, the others keep their pace, and it is back when it answers again."""

    async def work() -> None:
        good, other = Value(b"1"), Value(b"2")
        silent = free_port()
        loop = asyncio.get_running_loop()
        hole, deaf = await loop.create_datagram_endpoint(Deaf, local_addr=("127.0.0.1", silent))
        async with AiocoapServer({"/v": good}) as first, AiocoapServer({"/v": other}) as second:
            one = {"path": "/v", "every": "20ms"}
            ports = {"a": first.port, "dead": silent, "b": second.port}
            hosts = {name: {"url": f"coap://127.0.0.1:{port}", "resources": {"v": one}} for name, port in ports.items()}
            h = harness(tmp_path / "d", hosts=hosts)
            h.demand(100_000)
            await h.open()
            began = h.context.clock.monotonic()
            await h.until(lambda: any(line.event == "host does not answer" for line in h.context.logs))
            took = h.context.clock.monotonic() - began
            for name in ("a", "b"):
                count = sum(reading.source == f"field/{name}" for reading in h.readings)
                assert count >= 0.5 * took / 0.02, (name, count, took)
            assert not h.context.losses
            tried = len(deaf.asked)
            await h.until(lambda: len(deaf.asked) >= tried + 2)  # the first of the two has failed
            hole.close()
            await asyncio.sleep(0)
            third = Value(b"3")
            async with AiocoapServer({"/v": third}, silent):
                await h.until(lambda: any(reading.source == "field/dead" for reading in h.readings), 20)
                await h.close()
            events = [line.event for line in h.context.logs]
            assert events == ["host does not answer", "host answers again"]

    run(work, 40)


def test_a_slow_resource_holds_up_nobody_when_others_are_on_its_host(tmp_path: Path) -> None:
    """It acknowledges and does not answer: its own time-out, no loss of the host, the others at their pace."""

    class Slow(Value):
        async def render_get(self, request: Any) -> aiocoap.Message:
            await asyncio.Event().wait()
            raise AssertionError

    async def work() -> None:
        async with AiocoapServer({"/v": Value(b"1"), "/slow": Slow()}) as server:
            resources = {"v": {"path": "/v", "every": "20ms"}, "slow": {"path": "/slow", "every": "20ms"}}
            h = harness(tmp_path / "d", hosts=one_host(server.port, **resources))
            h.demand(100_000)
            await h.open()
            await h.until(lambda: any(line.event == "cannot be read" for line in h.context.logs))
            assert len(h.emitted) >= 20
            assert not h.context.losses
            await h.close()

    run(work)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("peer", ["libcoap", "aiocoap"])
def test_every_state_arrives_in_order_when_the_network_is_bad(seed: int, peer: str, tmp_path: Path) -> None:
    """A fifth lost, a fifth doubled, a third late: no old state after a newer one, the last state arrives, polls go on."""

    async def work() -> None:
        value = Value(b"0")
        async with LibcoapServer() as lib, AiocoapServer({"/example_data": value}) as aio, client() as writer:
            port = lib.port if peer == "libcoap" else aio.port

            async def change(number: int) -> None:
                if peer == "aiocoap":
                    value.set(b"%d" % number)
                else:
                    assert (await push(writer, port, "/example_data", b"%d" % number, code=aiocoap.PUT)).code.is_successful()

            await change(0)
            async with Relay(port, Random(seed), loss=0.2, double=0.2, late=0.33) as relay:
                one = {"path": "/example_data", "codec": "raw", "type": "int"}
                resources = {"v": {**one, "observe": True}, "p": {**one, "every": "50ms"}}
                settings = {"ack_timeout": "50ms", "retransmits": 6, "timeout": "8s", "refresh": "1s", "keepalive": "0s"}
                h = harness(tmp_path / "d", hosts=one_host(relay.port, **resources), **settings)
                h.demand(100_000)
                await h.open()
                states = lambda: [r.fields["value"] for r in h.readings if r.tags["resource"] == "v"]  # noqa: E731
                for number in range(1, 41):
                    seen = len(h.emitted)
                    await change(number)
                    await h.received(seen + 1, 20)
                await h.until(lambda: states()[-1] == 40, 30)
                await h.close()
                assert states() == sorted(set(states()))
                assert min(relay.lost, relay.doubled, relay.delayed) > 10

    run(work, 90)


@pytest.mark.parametrize("peer", ["libcoap", "aiocoap"])
def test_a_thousand_resources_are_observed_when_one_host_has_them(peer: str, tmp_path: Path) -> None:
    """All are registered, once each, and all changes arrive, within a bounded time."""

    async def work() -> None:
        resources = {f"/r{i}": Value(b"%d" % i) for i in range(1000)}
        async with LibcoapServer("-d", "1000") as lib, AiocoapServer(resources) as aio, client() as writer:
            port = lib.port if peer == "libcoap" else aio.port

            async def change(first: int) -> None:
                for i, one in enumerate(resources.values()):
                    if peer == "aiocoap":
                        one.set(b"%d" % (first + i))
                    else:
                        said = await push(writer, port, f"/r{i}", b"%d" % (first + i), code=aiocoap.PUT)
                        assert said.code.is_successful()

            await change(0)
            named = {f"r{i}": {"path": f"/r{i}", "observe": True, "codec": "raw", "type": "int"} for i in range(1000)}
            h = harness(tmp_path / "d", hosts=one_host(port, **named), timeout="20s", ack_timeout="2s", retransmits=4)
            h.demand(100_000)
            await h.open()
            await h.received(1000, 40)
            assert sorted(values(h)) == list(range(1000))
            await change(5000)
            await h.until(lambda: set(values(h)) >= set(range(5000, 6000)), 40, "all changes")
            assert h.context.counts["registered"] == 1000
            await h.close()

    run(work, 100)


def test_nothing_leaks_when_it_is_opened_and_closed_many_times(tmp_path: Path) -> None:
    """Descriptors, threads and tasks are as many as before, in the middle of observations and of requests under way."""

    async def work() -> None:
        value = Value(b"1")
        async with AiocoapServer({"/v": value, "/p": Value(b"2")}) as server:
            resources = {"v": {"path": "/v", "observe": True}, "p": {"path": "/p", "every": "10ms"}}
            h = harness(tmp_path / "d", hosts=one_host(server.port, **resources))
            h.demand(100_000)
            await h.open()
            await h.received(2)
            await h.close()
            tasks, descriptors, threads = (
                len(asyncio.all_tasks()),
                descriptors_open(),
                threading.active_count(),
            )
            for _ in range(20):
                seen = len(h.emitted)
                await h.open()
                await h.received(seen + 2)
                await h.close()
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) <= tasks
            assert descriptors_open() <= descriptors
            assert threading.active_count() <= threads
            assert value.observers == 0

    run(work)


def test_is_not_open_when_opening_is_cancelled(tmp_path: Path) -> None:
    """A host that says nothing: the cancelled open leaves no task and no socket."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        hole, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        port = hole.get_extra_info("sockname")[1]
        tasks, descriptors = len(asyncio.all_tasks()), descriptors_open()
        h = harness(tmp_path / "d", hosts=one_host(port, v={"path": "/v"}), timeout="30s", ack_timeout="20s")
        opening = loop.create_task(h.open())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        assert opening.cancelled()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == tasks
        assert descriptors_open() == descriptors
        hole.close()
        await asyncio.sleep(0)

    run(work)
