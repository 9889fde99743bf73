"""What every client behind the seam does when the other side does wrong: silence, nonsense, too much. A port with a script.

The contract's second half: `transport_contract.py` has what needs a broker, this what no broker does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.mqtt.framing import MAX_CONTROL
from adapters.mqtt.seam import Subscription
from rt_edge.sdk import TransientError
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.waiting import Bell
from tests.adapters.mqtt.transport_bench import TransportBench, versions


class Script:
    """A port that answers CONNECT and SUBSCRIBE as told, and sends what it is given.

    Attributes:
        connack: what a CONNECT is answered with; empty: nothing.
        suback: whether a SUBSCRIBE is answered.
        pong: whether a PINGREQ is answered.
        stays: after a DISCONNECT it keeps its side open.
        seen: (kind, body) of all that came.
    """

    def __init__(self) -> None:
        self.port = 0
        self.bell = Bell()
        self.connack: bytes | None = None
        self.suback = self.pong = True
        self.stays = False
        self.version = 5
        self.seen: list[tuple[int, bytes]] = []
        self.messages: list[p.Publish] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while True:
                kind, flags, body = await p.read_packet(reader, 10_000_000)
                self.seen.append((kind, body))
                if kind == p.PUBLISH:
                    self.messages.append(p.decode_publish(flags, body, self.version == 5))
                if kind == p.CONNECT:
                    self.version = p.decode_connect(body).version
                    writer.write(p.encode_connack(False, 0, self.version == 5) if self.connack is None else self.connack)
                elif kind == p.SUBSCRIBE and self.suback:
                    mid, wanted, _ = p.decode_subscribe(body, self.version == 5)
                    writer.write(p.encode_codes(p.SUBACK, mid, [w.qos for w in wanted], self.version == 5))
                elif kind == p.PINGREQ and self.pong:
                    writer.write(p.frame(p.PINGRESP, b""))
                self.bell.ring()
                await self.bell.until(lambda kind=kind: kind != p.DISCONNECT or not self.stays, 30)  # type: ignore[misc]
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.bell.ring()
        finally:
            writer.close()

    def send(self, data: bytes) -> None:
        self.writers[-1].write(data)

    def kinds(self) -> list[int]:
        return [kind for kind, _ in self.seen]

    def published(self) -> list[p.Publish]:
        """The messages that came."""
        return list(self.messages)


def whole(version: int) -> dict[str, bytes]:
    """A well-formed packet of each kind a broker may send, by its name."""
    v5 = version == 5
    said: p.Properties = {0x1F: b"why", 0x26: [(b"a", b"b")]}
    about = p.packed(said) if v5 else b""
    code = b"\0" if v5 else b""
    return {
        "connack": p.encode_connack(True, 0, v5, {0x21: 10, 0x27: 1000, 0x12: b"id"} if v5 else None),
        "publish": p.encode_publish(p.Publish("t/a", b"payload", 1, mid=5, properties={1: 1, 0x23: 1} if v5 else {}), v5),
        "puback": p.frame(p.PUBACK, b"\0\1" + code + about),
        "pubrec": p.frame(p.PUBREC, b"\0\1" + code + about),
        "pubrel": p.frame(p.PUBREL, b"\0\1" + code + about, 2),
        "pubcomp": p.frame(p.PUBCOMP, b"\0\1" + code + about),
        "suback": p.frame(p.SUBACK, b"\0\1" + about + b"\1"),
        "unsuback": p.frame(p.UNSUBACK, b"\0\1" + about + code),
        "pingresp": p.frame(p.PINGRESP, b""),
        "disconnect": p.frame(p.DISCONNECT, b"\x8b" + about) if v5 else p.frame(p.DISCONNECT, b""),
        "auth": p.frame(15, b"\x18" + p.packed({0x15: b"method"})),
        "connect": p.encode_connect(p.Connect("x", version)),
        "subscribe": p.encode_subscribe(1, [p.Wanted("a")], v5),
        "pingreq": p.frame(p.PINGREQ, b""),
    }


def spoiled(packet: bytes, random: Random) -> bytes:
    """A packet made wrong: cut off with its length mended or not, a byte changed, bytes put in, a length that promises more."""
    data = bytearray(packet)
    how = random.randrange(6)
    if how == 0 and len(data) > 2:  # truncated, and its length says so
        del data[random.randrange(2, len(data)) :]
        data[1] = len(data) - 2
    elif how == 1:
        data[random.randrange(len(data))] = random.randrange(256)
    elif how == 2:
        data[0] ^= 1 << random.randrange(4)
    elif how == 3:
        at = random.randrange(2, len(data) + 1)
        data[at:at] = random.randbytes(random.randrange(1, 20))
        data[1] = min(127, len(data) - 2)
    elif how == 4 and len(data) > 4:  # wrong lengths inside
        data[random.randrange(2, len(data))] = random.choice([0, 1, 0x7F, 0x80, 0xFF])
    else:
        data[1:2] = random.choice([b"\xff\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x01", b"\xff\xff\x7f", b"\0"])
    return bytes(data)


class FaultContract(TransportBench):
    """Inherit, and say `client`."""

    def broker(self, tmp_path: Path) -> AbstractAsyncContextManager[Script]:
        return self._script()

    @asynccontextmanager
    async def _script(self) -> AsyncIterator[Script]:
        script = Script()
        server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
        script.port = server.sockets[0].getsockname()[1]
        try:
            yield script
        finally:
            server.close()
            for writer in script.writers:
                writer.close()
            await server.wait_closed()

    def faults(self, tmp_path: Path, body: Callable[[Script], Awaitable[None]]) -> None:
        self.run(tmp_path, body)

    @versions
    def test_opening_fails_in_time_when_an_answer_does_not_come(self, tmp_path: Path, version: int) -> None:
        """A port that accepts and says nothing, one that does not answer the SUBSCRIBE, the UNSUBSCRIBE: never taken for open."""

        async def body(script: Script) -> None:
            script.connack = b""
            end = self.end(script.port, version, timeout=0.1)
            with pytest.raises(TransientError, match=r"did not answer the CONNECT within 0\.1 s"):
                await end.open()
            script.connack, script.suback = None, False
            end = self.end(script.port, version, timeout=0.1)
            await end.open()
            with pytest.raises(TransientError, match=r"did not answer the SUBSCRIBE within 0\.1 s"):
                await end.transport.subscribe([Subscription("t/#", 1)], [])
            with pytest.raises(TransientError, match=r"did not answer the UNSUBSCRIBE within 0\.1 s"):
                await end.transport.subscribe([], ["t/#"])
            await end.close()

        self.faults(tmp_path, body)

    def test_loss_is_told_once_when_the_other_side_says_nothing_any_more(self, tmp_path: Path) -> None:
        """A half-open connection: PINGREQs are not answered, nothing closes it; within twice the keepalive it is given up."""

        async def body(script: Script) -> None:
            script.pong = False
            end = self.end(script.port, 5, keepalive=1)
            await end.open("t/#")
            start = asyncio.get_running_loop().time()
            await end.ears.bell.until(lambda: bool(end.ears.losses), 5, "the loss")
            assert asyncio.get_running_loop().time() - start < 2.6
            assert "keep alive" in str(end.ears.losses[0]).lower()
            assert p.PINGREQ in script.kinds()
            await end.close()
            assert len(end.ears.losses) == 1

        self.faults(tmp_path, body)

    @versions
    @pytest.mark.parametrize("name", sorted(whole(5)))
    def test_connection_ends_with_one_reason_when_a_packet_is_spoiled(self, tmp_path: Path, version: int, name: str) -> None:
        """15 wrong versions of each kind of packet, a message behind it, the end of the stream: taken, ignored, or the end with
        a reason; one transient error in any case, no message that was not sent, nothing raised out of the loop."""
        random = Random(f"{name} {version}")
        packet = whole(version)[name]

        async def body(script: Script) -> None:
            for _ in range(15):
                end = self.end(script.port, version)
                await end.open("t/#")
                bad = spoiled(packet, random)
                script.send(bad + p.encode_publish(p.Publish("t/b", b"behind", 0), version == 5))
                script.writers[-1].write_eof()
                await end.ears.bell.until(lambda end=end: bool(end.ears.losses), 5, "the end")  # type: ignore[misc]
                (error,) = end.ears.losses
                assert type(error) is TransientError, bad
                assert str(script.port) in str(error)
                assert name == "publish" or [m.payload for m in end.ears.messages] in ([], [b"behind"]), bad
                await end.close()
                assert len(end.ears.losses) == 1

        self.faults(tmp_path, body)

    @versions
    @pytest.mark.parametrize("name", [n for n in sorted(whole(5)) if n != "connack"])
    def test_opening_fails_when_something_comes_before_the_connack(self, tmp_path: Path, version: int, name: str) -> None:
        """Whatever it is: one error from `connect`, no message handed on, nothing told to the listener."""

        async def body(script: Script) -> None:
            script.connack = whole(version)[name] + p.encode_connack(False, 0, version == 5)
            end = self.end(script.port, version, timeout=0.5)
            with pytest.raises(TransientError):
                await end.open()
            assert not end.ears.losses
            assert not end.ears.messages
            await end.close()

        self.faults(tmp_path, body)

    @versions
    def test_memory_is_bounded_when_a_packet_claims_to_be_huge(self, tmp_path: Path, version: int) -> None:
        """A SUBACK of 200 MB is refused by its header; a PUBLISH of 200 MB is skipped, not kept."""

        async def body(script: Script) -> None:
            end = self.end(script.port, version)
            await end.open("t/#")
            script.send(b"\x90" + p.varint(200_000_000) + bytes(1000))
            await end.ears.bell.until(lambda: bool(end.ears.losses))
            assert "200000000" in str(end.ears.losses[0])
            await end.close()
            assert MAX_CONTROL < 200_000_000
            end = self.end(script.port, version)
            await end.open("t/#")
            script.send(b"\x32" + p.varint(200_000_000) + b"\0\3t/a\0\1" + (b"\0" if version == 5 else b"") + bytes(3_000_000))
            got = await end.ears.got(1)
            assert (got[0].topic, got[0].payload, got[0].mid) == ("t/a", None, 1)
            reader: Any = end.transport._reader  # type: ignore[attr-defined]
            assert reader._framer._have <= 200_000
            await end.close()

        self.faults(tmp_path, body)

    @versions
    def test_answers_to_nothing_change_nothing_when_they_come(self, tmp_path: Path, version: int) -> None:
        """PUBACK, PUBREC, PUBCOMP, SUBACK for identifiers that are not in use, a PINGRESP more: the connection goes on."""

        async def body(script: Script) -> None:
            end = self.end(script.port, version)
            await end.open("t/#")
            v5 = version == 5
            for kind in (p.PUBACK, p.PUBREC, p.PUBCOMP):
                script.send(p.encode_ack(kind, 999, 0, v5))
            script.send(p.encode_codes(p.SUBACK, 999, [0, 0x80], v5) + p.encode_codes(p.UNSUBACK, 999, [0], v5))
            script.send(p.frame(p.PINGRESP, b"") * 100)
            script.send(p.encode_publish(p.Publish("t/a", b"on", 0), v5))
            await end.ears.got(1)
            publishing = asyncio.ensure_future(end.transport.publish("t/a", b"x", 1, False))
            await script.bell.until(lambda: p.PUBLISH in script.kinds())
            mid = p.decode_publish(2, script.seen[-1][1], v5).mid
            script.send(p.encode_ack(p.PUBCOMP, mid, 0, v5) if version == 5 else p.encode_ack(p.PUBACK, 998))
            script.send(p.encode_ack(p.PUBACK, mid, 0x10 if v5 else 0, v5))
            assert await publishing == (0x10 if v5 else 0)
            await end.close()
            assert not end.ears.losses

        self.faults(tmp_path, body)

    @versions
    def test_publishing_ends_when_the_connection_does(self, tmp_path: Path, version: int) -> None:
        """Who waits for a PUBACK, a PUBREC, a PUBCOMP gets the reason; cancelled callers disturb nobody."""

        async def body(script: Script) -> None:
            end = self.end(script.port, version)
            await end.open("t/#")
            calls = [asyncio.ensure_future(end.transport.publish("t/a", b"x", 1 + n % 2, False)) for n in range(10)]
            await script.bell.until(lambda: script.kinds().count(p.PUBLISH) == 10)
            calls[0].cancel()
            script.writers[-1].close()
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(results[0], asyncio.CancelledError)
            assert {type(r) for r in results[1:]} == {TransientError}
            assert len(end.ears.losses) == 1
            await end.close()

        self.faults(tmp_path, body)

    def test_nothing_is_left_when_closing_is_cancelled(self, tmp_path: Path) -> None:
        """A broker that keeps its side open; who closes gives up: socket, timers and descriptors are gone at once."""

        async def body(script: Script) -> None:
            script.stays = True
            end = self.end(script.port, 5)
            await end.open("t/#")
            closing = asyncio.ensure_future(end.close())
            await script.bell.until(lambda: p.DISCONNECT in script.kinds())
            sock = end.transport._sock  # type: ignore[attr-defined]
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            assert sock.fileno() == -1
            await end.close()
            script.stays = False
            script.bell.ring()

        self.faults(tmp_path, body)

    def test_slow_bytes_are_put_together_when_they_come_one_by_one(self, tmp_path: Path) -> None:
        """A link that carries a byte at a time."""

        async def body(script: Script) -> None:
            end = self.end(script.port, 5)
            await end.open("t/#")
            script.writers[-1].get_extra_info("socket").setsockopt(6, 1, 1)
            data = p.encode_publish(p.Publish("t/a", b"slow", 1, mid=3), True) + p.frame(p.PINGRESP, b"") * 2
            for byte in data + p.encode_publish(p.Publish("t/a", bytes(200), 1, mid=4), True):
                script.send(bytes((byte,)))
                await asyncio.sleep(0)
            got = await end.ears.got(2)
            assert [(m.payload, m.mid) for m in got] == [(b"slow", 3), (bytes(200), 4)]
            await end.close()

        self.faults(tmp_path, body)
