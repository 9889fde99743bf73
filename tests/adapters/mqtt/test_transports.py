"""Both clients under the transport contract, on the scripted broker and on mosquitto."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from adapters.mqtt.writer import Writer
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import TestBroker
from rt_edge.testkit.mqtt_broker import packets as p
from tests.adapters.mqtt.transport_contract import TransportContract
from tests.adapters.mqtt.transport_faults import FaultContract, Script


class OnScripted(TransportContract):
    """A broker of the testkit."""

    def broker(self, tmp_path: Path) -> AbstractAsyncContextManager[Any]:
        return TestBroker(inflight_v311=100)


class OnMosquitto(TransportContract):
    """A real broker."""

    @pytest.fixture(autouse=True)
    def _program(self, mosquitto_path: Path) -> None:
        self.program = mosquitto_path

    def broker(self, tmp_path: Path) -> AbstractAsyncContextManager[Any]:
        lines = ["max_queued_messages 0", "max_inflight_messages 100"]
        return MosquittoProcess(self.program, tmp_path / "mosquitto", lines)


class TestPahoOnScripted(OnScripted):
    client = "paho"


class TestFastOnScripted(OnScripted):
    client = "fast"


class TestPahoOnMosquitto(OnMosquitto):
    client = "paho"


class TestFastOnMosquitto(OnMosquitto):
    client = "fast"


class TestPahoAmongFaults(FaultContract):
    client = "paho"


class TestFastAmongFaults(FaultContract):
    client = "fast"

    def test_no_more_is_unacknowledged_than_the_broker_takes_when_many_publish(self, tmp_path: Path) -> None:
        """Receive Maximum 3: ten calls at once send three; each answer, also one that refuses, lets the next go, in order; QoS 0
        waits behind them, since it may use an alias that one of them defines."""

        async def body(script: Script) -> None:
            script.connack = p.encode_connack(False, 0, True, {p.RECEIVE_MAXIMUM: 3})
            end = self.end(script.port, 5)
            await end.open("t/#")
            calls = [asyncio.ensure_future(end.transport.publish("t/a", b"%d" % n, 1 + n % 2, False)) for n in range(10)]
            calls.append(asyncio.ensure_future(end.transport.publish("t/a", b"10", 0, False)))
            seen = 0
            while seen < 10:
                due = min(10, seen + 3)
                await script.bell.until(lambda due=due: len(script.published()) >= due)  # type: ignore[misc]
                for one in script.published()[seen:due]:
                    if one.qos == 1:
                        script.send(p.encode_ack(p.PUBACK, one.mid, 0x97 if one.payload == b"2" else 0))
                    else:
                        script.send(p.encode_ack(p.PUBREC, one.mid) + p.encode_ack(p.PUBCOMP, one.mid))
                assert len(script.published()) <= seen + 3
                seen = due
            codes = await asyncio.gather(*calls)
            await script.bell.until(lambda: len(script.published()) == 11)
            assert [int(one.payload) for one in script.published()] == list(range(11))
            assert codes == [0, 0, 0x97] + [0] * 8
            await end.close()

        self.faults(tmp_path, body)

    def test_message_is_refused_here_when_the_broker_would_end_the_connection_for_it(self, tmp_path: Path) -> None:
        """Maximum QoS and Maximum Packet Size: a reason code instead of a lost connection."""

        async def body(script: Script) -> None:
            script.connack = p.encode_connack(False, 0, True, {0x24: 1, p.MAXIMUM_PACKET: 100})
            end = self.end(script.port, 5)
            await end.open()
            assert await end.transport.publish("t/a", b"x", 2, False) == 0x9B
            assert await end.transport.publish("t/a", bytes(100), 1, False) == 0x95
            assert await end.transport.publish("t/a", bytes(70), 0, False) == 0
            await script.bell.until(lambda: bool(script.published()))
            assert len(script.published()) == 1
            await end.close()

        self.faults(tmp_path, body)

    def test_keepalive_is_the_brokers_when_it_names_one(self, tmp_path: Path) -> None:
        """Server Keep Alive (MQTT 5, 3.2.2.3.14) of one second in place of ours of a minute."""

        async def body(script: Script) -> None:
            script.connack = p.encode_connack(False, 0, True, {0x13: 1})
            end = self.end(script.port, 5)
            await end.open()
            await script.bell.until(lambda: p.PINGREQ in script.kinds(), 3)
            await end.close()

        self.faults(tmp_path, body)


def test_all_is_written_in_order_when_the_other_side_reads_slowly() -> None:
    """More than the socket takes: what is left waits, `written` with it, no byte is lost or doubled; an end wakes who waits."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        failed: list[OSError] = []
        writer = Writer(ours, failed.append)
        sent = b"".join(n.to_bytes(4, "big") for n in range(500_000))
        for at in range(0, len(sent), 100_000):
            writer.write(sent[at : at + 100_000])
        waiting = [asyncio.ensure_future(writer.written()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        got, loop = bytearray(), asyncio.get_running_loop()
        while len(got) < len(sent):
            assert writer.waiting or len(got) + 1_000_000 > len(sent)
            got += await loop.sock_recv(theirs, 50_000)
        await waiting[0]
        assert bytes(got) == sent
        assert writer.waiting == 0
        writer.write(sent)
        last = asyncio.ensure_future(writer.written())
        await asyncio.sleep(0)
        theirs.close()
        await last
        assert len(failed) == 1
        writer.close()
        ours.close()

    asyncio.run(main())
