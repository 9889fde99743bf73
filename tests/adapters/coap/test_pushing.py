"""The listening side: acknowledged at once, answered when durable, refused without demand, repeated without being doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import aiocoap
import cbor2
import pytest

from adapters.coap.keys import LIFETIME_S
from adapters.coap.push import Intake
from adapters.coap.seam import Pushed, Reply
from adapters.coap.session import FILE, SessionFile
from rt_edge.data.errors import TransientError
from rt_edge.testkit.adapter_harness import AdapterHarness, RecordingContext
from rt_edge.testkit.simulated_time import SimulatedTime
from rt_edge.testkit.waiting import Bell
from tests.adapters.coap.peers import Relay, client, harness, libcoap_client, push

CON, NON, ACK, RST = range(4)
PATHS = [
    {"path": "/push/{device}"},
    {"path": "/text/{line}/level", "device": "tank", "codec": "raw", "type": "float", "field": "level"},
]


def run(work: Callable[[], Coroutine[Any, Any, None]], within: float = 30.0) -> None:
    asyncio.run(asyncio.wait_for(work(), within))


def listener(
    folder: Path, address: str = "127.0.0.1:0", paths: Any = PATHS, quick: bool = False, **listen: Any
) -> AdapterHarness:
    more = {"ack_timeout": "50ms", "retransmits": 9} if quick else {}
    return harness(folder, "inbox", listen={"address": address, "paths": paths, **listen}, **more)


def request(mid: int, token: bytes, path: str, payload: bytes, kind: int = CON, code: int = 2) -> bytes:
    """A request as bytes (RFC 7252, 3), written by hand: a device that counts as it likes."""
    out = bytes([0x40 | kind << 4 | len(token), code]) + mid.to_bytes(2, "big") + token
    for number, segment in enumerate(path.strip("/").encode().split(b"/")):
        assert len(segment) < 13
        out += bytes([(11 if number == 0 else 0) << 4 | len(segment)]) + segment
    return out + b"\xff" + payload


class Device(asyncio.DatagramProtocol):
    """A socket that sends what it is told and keeps what it hears: (type, code, mid, token)."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, str, int, bytes]] = []
        self.bell = Bell()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        token = data[4 : 4 + (data[0] & 15)]
        self.heard.append((data[0] >> 4 & 3, f"{data[1] >> 5}.{data[1] & 31:02}", int.from_bytes(data[2:4], "big"), token))
        self.bell.ring()

    async def until(self, count: int) -> None:
        await self.bell.until(lambda: len(self.heard) >= count, 10, f"{count} messages")


@asynccontextmanager
async def device(port: int) -> AsyncIterator[tuple[Device, Callable[[bytes], None]]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Device, remote_addr=("127.0.0.1", port))
    try:
        yield protocol, transport.sendto
    finally:
        transport.close()
        await asyncio.sleep(0)


def test_is_acknowledged_at_once_and_answered_when_it_is_durable(tmp_path: Path) -> None:
    """`ack_after: 0s`: an empty acknowledgement, then nothing until the receipt is settled, then 2.04 in a message of its own."""

    async def work() -> None:
        h = listener(tmp_path / "d", ack_after="0s")
        await h.open()
        h.demand(5)
        async with device(h.adapter.port) as (peer, send):
            send(request(7, b"tk", "/push/scale", b"12.5"))
            await peer.until(1)
            await h.received(1)
            await h.quiet(0.2)
            assert peer.heard == [(ACK, "0.00", 7, b"")]
            h.settle()
            await peer.until(2)
            kind, code, mid, token = peer.heard[1]
            assert (kind, code, token) == (CON, "2.04", b"tk")
            send(bytes([0x60, 0]) + mid.to_bytes(2, "big"))
        (reading,) = h.readings
        assert (reading.source, reading.fields, reading.tags) == ("inbox/scale", {"value": 12.5}, {"device": "scale"})
        await h.close()

    run(work)


def test_the_acknowledgement_waits_when_the_settings_do_not_say_otherwise(tmp_path: Path) -> None:
    """A push that is durable in time is answered in its acknowledgement: one message each way."""

    async def work() -> None:
        h = listener(tmp_path / "d")
        await h.open()
        h.demand(5)
        async with device(h.adapter.port) as (peer, send):
            send(request(7, b"tk", "/push/scale", b"12.5"))
            await h.received(1)
            assert peer.heard == []
            h.settle()
            await peer.until(1)
            assert peer.heard == [(ACK, "2.04", 7, b"tk")]
        await h.close()

    run(work)


def test_nothing_is_acknowledged_any_more_when_it_was_closed_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A push without its answer at closing: no acknowledgement when its time comes, and no error: the device repeats it."""

    async def work() -> None:
        h = listener(tmp_path / "d", ack_after="150ms")
        await h.open()
        h.demand(5)
        async with device(h.adapter.port) as (peer, send):
            send(request(7, b"tk", "/push/scale", b"12.5"))
            await h.received(1)
            await h.adapter.close()
            await h.quiet(0.25)
            assert peer.heard == []
        assert "Exception in callback" not in caplog.text

    run(work)


def test_is_refused_with_a_time_when_nothing_is_asked_for(tmp_path: Path) -> None:
    """5.03 with Max-Age (RFC 7252, 5.9.3.4); nothing waits here, and the next one is taken when demand comes."""

    async def work() -> None:
        h = listener(tmp_path / "d", retry_after="17s")
        await h.open()
        async with client() as context:
            answer = await push(context, h.adapter.port, "/push/a", b"1")
            assert answer.code == aiocoap.SERVICE_UNAVAILABLE
            assert answer.opt.max_age == 17
            assert h.emitted == []
            h.demand(1)
            waiting = asyncio.get_running_loop().create_task(push(context, h.adapter.port, "/push/a", b"2"))
            await h.received(1)
            assert (await push(context, h.adapter.port, "/push/a", b"3")).code == aiocoap.SERVICE_UNAVAILABLE
            h.settle()
            assert (await waiting).code == aiocoap.CHANGED
        assert [reading.fields["value"] for reading in h.readings] == [2]
        await h.close()

    run(work)


@pytest.mark.parametrize("options", [("-m", "post"), ("-m", "put"), ("-m", "post", "-N")], ids=["post", "put", "non"])
def test_is_stored_and_answered_when_libcoap_pushes(options: tuple[str, ...], tmp_path: Path) -> None:
    """Debian's client gets its 2.04, confirmable or not."""

    async def work() -> None:
        h = listener(tmp_path / "d")
        await h.open()
        h.demand(5)
        url = f"coap://127.0.0.1:{h.adapter.port}/text/7/level"
        said = asyncio.get_running_loop().create_task(libcoap_client(*options, "-e", "3.25", url))
        await h.received(1)
        h.settle()
        assert "c:2.04" in await said
        await h.close()
        (reading,) = h.readings
        assert (reading.source, reading.fields, reading.tags) == ("inbox/tank", {"level": 3.25}, {"line": "7"})

    run(work)


def test_a_pack_in_blocks_is_one_push_when_libcoap_sends_it(tmp_path: Path) -> None:
    """SenML in CBOR, 200 records in blocks of 64 bytes: as much as demand allows, the rest later, one 2.04 at the end."""

    async def work() -> None:
        pack = [{-2: "urn:dev:x:", -3: 1_600_000_000, 0: "t", 2: 0}] + [{0: "t", 2: i, 6: i} for i in range(1, 200)]
        body = tmp_path / "pack"
        body.write_bytes(cbor2.dumps(pack))
        h = listener(tmp_path / "d", paths=[{"path": "/push/{device}", "codec": "senml-cbor", "strip": "urn:dev:x:"}])
        await h.open()
        h.demand(50)
        url = f"coap://127.0.0.1:{h.adapter.port}/push/meter"
        arguments = ("-m", "post", "-b", "64", "-t", "112", "-f", str(body), url)
        said = asyncio.get_running_loop().create_task(libcoap_client(*arguments))
        await h.received(50)
        h.settle()
        async with client() as context:  # nothing else is taken while a part of it waits
            other = await push(context, h.adapter.port, "/push/b", body.read_bytes(), 112)
            assert other.code == aiocoap.SERVICE_UNAVAILABLE
        h.demand(1000)
        await h.received(200)
        assert not said.done()
        h.settle()
        assert "c:2.04" in await said
        await h.close()
        assert [reading.fields["t"] for reading in h.readings] == list(range(200))
        assert [reading.ts for reading in h.readings] == [(1_600_000_000 + i) * 10**9 for i in range(200)]
        assert len({emitted.key for emitted in h.emitted}) == 200

    run(work)


def test_is_taken_once_when_it_is_repeated(tmp_path: Path) -> None:
    """A repeated message is acknowledged again and answered again, before and after it is durable, and over a new opening."""

    async def work() -> None:
        h = listener(tmp_path / "d")
        await h.open()
        h.demand(5)
        port = h.adapter.port
        async with device(port) as (peer, send):
            message = request(7, b"tk", "/push/scale", b"1")
            send(message)
            await peer.until(1)
            send(message)
            await peer.until(2)
            assert [one[:3] for one in peer.heard] == [(ACK, "0.00", 7)] * 2
            h.settle()
            await peer.until(3)
            send(bytes([0x60, 0]) + peer.heard[2][2].to_bytes(2, "big"))
            send(message)
            await peer.until(4)
            await h.quiet(0.1)
            assert len(h.emitted) == 1
        await h.close()

    run(work)


def test_is_answered_when_it_became_durable_while_the_adapter_was_closed(tmp_path: Path) -> None:
    """The repetition reaches the next opening: it is known, and answered from memory."""

    async def work() -> None:
        h = listener(tmp_path / "d", ack_after="1s")
        await h.open()
        h.demand(5)
        message = request(9, b"x", "/push/scale", b"1")
        loop = asyncio.get_running_loop()
        ports = [h.adapter.port]
        device_end, peer = await loop.create_datagram_endpoint(Device, local_addr=("127.0.0.1", 0))
        device_end.sendto(message, ("127.0.0.1", ports[0]))
        await h.received(1)
        await h.adapter.close()
        h.settle()
        await h.open()
        device_end.sendto(message, ("127.0.0.1", h.adapter.port))
        await peer.until(1)
        assert peer.heard == [(ACK, "2.04", 9, b"x")]
        assert len(h.emitted) == 1
        assert h.context.counts["pushes_repeated"] == 1
        device_end.close()
        await h.close()

    run(work)


def test_another_message_is_taken_when_a_device_uses_a_message_id_again(tmp_path: Path) -> None:
    """A device that was restarted counts from the beginning: same socket, same id, other content. aiocoap alone would lose it."""

    async def work() -> None:
        h = listener(tmp_path / "d", ack_after="0s")
        await h.open()
        h.demand(5)
        async with device(h.adapter.port) as (peer, send):
            send(request(0, b"", "/push/scale", b"1"))
            await h.received(1)
            h.settle()
            await peer.until(2)
            send(bytes([0x60, 0]) + peer.heard[1][2].to_bytes(2, "big"))
            send(request(0, b"", "/push/scale", b"2"))
            await h.received(2)
            h.settle()
            await peer.until(4)
        await h.close()
        assert [reading.fields["value"] for reading in h.readings] == [1, 2]
        assert h.emitted[0].key != h.emitted[1].key

    run(work)


def test_the_key_is_the_same_when_the_next_process_gets_the_repetition(tmp_path: Path) -> None:
    """Same session token, same key, marked as perhaps had before: the durable end drops it. Another sender has another key."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        device_end, _ = await loop.create_datagram_endpoint(Device, local_addr=("127.0.0.1", 0))
        lives = []
        for _ in range(2):
            h = listener(tmp_path / "d")
            await h.open()
            h.demand(5)
            device_end.sendto(request(7, b"tk", "/push/scale", b"1"), ("127.0.0.1", h.adapter.port))
            await h.received(1)
            await h.close()
            lives.append(h.emitted[0])
        assert lives[0].key == lives[1].key
        assert lives[0].session == lives[1].session != ""
        assert lives[1].redelivered
        device_end.close()
        async with device(h.adapter.port):
            pass

    run(work)


def test_every_push_is_stored_once_when_the_network_is_bad(tmp_path: Path) -> None:
    """A fifth lost, doubled and late each: 60 confirmable pushes of aiocoap's client, all answered, none missing or doubled."""

    async def work() -> None:
        h = listener(tmp_path / "d", quick=True)
        await h.open()
        h.demand(1000)
        fast = aiocoap.numbers.TransportTuning()
        fast.ACK_TIMEOUT, fast.MAX_RETRANSMIT = 0.03, 9
        async with Relay(h.adapter.port, Random(5), loss=0.2, double=0.2, late=0.2) as relay, client() as context:

            async def one(number: int) -> Any:
                uri = f"coap://127.0.0.1:{relay.port}/push/d"
                message = aiocoap.Message(code=aiocoap.POST, payload=b"%d" % number, uri=uri, transport_tuning=fast)
                return await context.request(message).response

            tasks = [asyncio.get_running_loop().create_task(one(number)) for number in range(60)]
            while not all(task.done() for task in tasks):
                h.settle()
                await asyncio.wait(tasks, timeout=0.02, return_when=asyncio.FIRST_COMPLETED)
            assert all(task.result().code == aiocoap.CHANGED for task in tasks)
            assert min(relay.lost, relay.doubled, relay.delayed) > 10
        await h.close()
        assert sorted(reading.fields["value"] for reading in h.readings) == list(range(60))

    run(work, 60)


def test_reasons_are_said_when_a_push_cannot_be_taken(tmp_path: Path) -> None:
    """Path, method, payload, format and size each have their code; a bad payload is logged once a sender and path."""

    async def work() -> None:
        h = listener(tmp_path / "d")
        await h.open()
        h.demand(100)
        port = h.adapter.port
        async with client() as context:
            assert (await push(context, port, "/nowhere", b"1")).code == aiocoap.NOT_FOUND
            assert (await push(context, port, "/push/a", b"", code=aiocoap.DELETE)).code == aiocoap.METHOD_NOT_ALLOWED
            for _ in range(3):
                answer = await push(context, port, "/text/1/level", b"warm")
                assert answer.code == aiocoap.BAD_REQUEST
                assert b"not a number" in answer.payload
            assert (await push(context, port, "/push/a", b"<x/>", 41)).code == aiocoap.UNSUPPORTED_CONTENT_FORMAT
            large = await push(context, port, "/push/a", b"x" * 70_000)
            assert large.code == aiocoap.REQUEST_ENTITY_TOO_LARGE
            assert large.opt.size1 == 65_536
            core = await push(context, port, "/.well-known/core", b"", code=aiocoap.GET)
            assert core.code == aiocoap.CONTENT
        assert h.emitted == []
        assert h.context.counts["dropped_bad_payload"] == 4
        assert len([line for line in h.context.logs if line.level == "warning"]) == 2
        await h.close()

    run(work)


def test_garbage_does_no_harm_when_it_arrives(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of datagrams that are nearly CoAP: at most one line is logged, and the next good one is taken."""

    async def work() -> None:
        h = listener(tmp_path / "d")
        await h.open()
        h.demand(1_000_000)
        random = Random(11)
        async with device(h.adapter.port) as (_, send):
            good = request(7, b"tk", "/text/1/level", b"\xff\xff")
            for number in range(3000):
                wrong = bytearray(good)
                for _ in range(random.randint(1, 6)):
                    wrong[random.randrange(len(wrong))] = random.randrange(256)
                send(bytes(wrong[: random.randint(0, len(wrong))]))
                if number % 20 == 0:
                    await asyncio.sleep(0)
                    h.settle()
        async with device(h.adapter.port) as (_, send):
            send(request(1, b"k", "/text/1/level", b"5"))
            await h.until(lambda: any(reading.fields.get("level") == 5.0 for reading in h.readings))
        h.settle()
        await h.close()
        assert not h.context.losses
        assert h.context.counts["bad_datagrams"] > 0
        assert not [record for record in caplog.records if record.name == "asyncio"]

    run(work)


def test_says_why_when_the_address_is_taken(tmp_path: Path) -> None:
    """An address in use is tried again later; nothing is left open."""

    async def work() -> None:
        h = listener(tmp_path / "a")
        await h.open()
        loop = asyncio.get_running_loop()
        alone, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        port = alone.get_extra_info("sockname")[1]
        third = listener(tmp_path / "c", f"127.0.0.1:{h.adapter.port}")
        with pytest.raises(TransientError, match="cannot be listened on"):  # aiocoap by itself would share it
            await third.open()
        other = listener(tmp_path / "b", f"127.0.0.1:{port}")
        with pytest.raises(TransientError, match="cannot be listened on"):
            await other.open()
        alone.close()
        await asyncio.sleep(0)
        await other.open()
        await other.close()
        await h.close()

    run(work)


# -- without a socket --------------------------------------------------------------------------------------------------------


class World:
    """An intake under hand-wound time."""

    def __init__(self, folder: Path) -> None:
        h = listener(folder)
        self.time = SimulatedTime()
        self.context = RecordingContext(folder, "inbox", self.time)
        self.intake = Intake(h.settings.listen, self.context)

    def demand(self, n: int) -> None:
        self.context.asked += n
        self.intake.demand(n)

    def settle(self) -> None:
        self.intake.settled(len(self.context.emitted))


def pushed(mid: int, payload: bytes = b"1", token: bytes = b"t", endpoint: str = "10.0.0.9:40000") -> Pushed:
    return Pushed(endpoint, mid, token, True, "POST", ("push", "a"), (), None, payload)


def test_keys_are_given_up_when_no_device_repeats_them_any_more(tmp_path: Path) -> None:
    """After EXCHANGE_LIFETIME the durable end may forget, and so do we; an unsettled Reading keeps its key."""

    async def work() -> None:
        world = World(tmp_path / "d")
        world.demand(10)
        first = asyncio.ensure_future(world.intake.take(pushed(1)))
        await asyncio.sleep(0)
        world.settle()
        assert await first == Reply("2.04")
        world.time.now += LIFETIME_S - 1
        assert await world.intake.take(pushed(1)) == Reply("2.04")
        assert len(world.context.emitted) == 1
        assert world.context.forgotten == 0
        late = asyncio.ensure_future(world.intake.take(pushed(2)))
        await asyncio.sleep(0)
        world.time.now += 2
        again = asyncio.ensure_future(world.intake.take(pushed(1)))
        await asyncio.sleep(0)
        assert world.context.forgotten == 1
        assert [emitted.redelivered for emitted in world.context.emitted] == [True, True, False]
        world.time.now += LIFETIME_S + 1
        world.intake.settled(1)
        assert world.context.forgotten == 1
        world.settle()
        await asyncio.gather(late, again)
        assert world.context.forgotten == 3

    run(work)


@pytest.mark.parametrize(
    "other",
    [
        pushed(2),
        pushed(1, b"2"),
        pushed(1, token=b"u"),
        pushed(1, endpoint="10.0.0.9:40001"),
        pushed(1)._replace(method="PUT"),
        pushed(1)._replace(path=("push", "b")),
        pushed(1)._replace(content_format=0),
    ],
    ids=["id", "payload", "token", "endpoint", "method", "path", "format"],
)
def test_it_is_another_push_when_anything_of_its_key_differs(other: Pushed, tmp_path: Path) -> None:
    """Only what is equal in all parts is a repetition."""

    async def work() -> None:
        world = World(tmp_path / "d")
        world.demand(10)
        tasks = [asyncio.ensure_future(world.intake.take(one)) for one in (pushed(1), other, pushed(1))]
        await asyncio.sleep(0)
        assert len(world.context.emitted) == 2
        assert len({emitted.key for emitted in world.context.emitted}) == 2
        world.settle()
        await asyncio.gather(*tasks)

    run(work)


def test_the_session_is_another_one_when_no_repetition_can_come_any_more(tmp_path: Path) -> None:
    """Within the lifetime the token is kept, in the same boot by the monotonic clock, in another by the wall clock."""
    time = SimulatedTime()

    def token(boot: str) -> str:
        return SessionFile(tmp_path, time, boot).token()

    first = token("a")
    assert token("a") == first
    time.now += 200
    assert token("a") == first
    time.now += 300
    second = token("a")
    assert second != first
    time.now += 100
    assert token("b") == second
    time.now += 300
    third = token("c")
    assert third not in (first, second)
    (tmp_path / FILE).write_text("{")
    assert token("c") not in (first, second, third)
