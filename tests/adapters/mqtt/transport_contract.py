"""What every client behind the seam has to do (`adapters.mqtt.seam.Transport`), on any broker: the scripted one and mosquitto.

A test class names a client and how a broker is made; the tests here talk to the transport alone, with no adapter above it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.mqtt.pings import Pings
from adapters.mqtt.properties import split_properties
from adapters.mqtt.seam import Subscription
from rt_edge.sdk import TransientError
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient
from tests.adapters.mqtt.transport_bench import TransportBench, versions


class TransportContract(TransportBench):
    """Inherit, and say `client` and `broker`."""

    @versions
    def test_messages_of_each_qos_come_once_and_in_order_when_acknowledged(self, tmp_path: Path, version: int) -> None:
        """QoS 0, 1 and 2 in; acknowledged; a new connection finds its session and nothing in it."""

        async def body(broker: Any) -> None:
            end = self.end(broker.port, version)
            assert not (await end.open("t/#")).session_present
            async with self.feeder(broker.port) as w:
                for n in range(30):
                    await w.publish("t/a", b"%d" % n, n % 3)
            got = await end.ears.got(30)
            assert sorted(int(m.payload or b"") for m in got) == list(range(30))
            assert [int(m.payload or b"") for m in got if m.qos] == [n for n in range(30) if n % 3]
            assert all(m.qos == int(m.payload or b"") % 3 and not m.dup and bool(m.mid) == bool(m.qos) for m in got)
            end.ack(*got, through=30)
            await end.close()
            assert not end.ears.losses
            again = self.end(broker.port, version)
            assert (await again.open()).session_present
            await again.echo()
            assert [m.payload for m in again.ears.messages] == [b"echo"]
            await again.close()

        self.run(tmp_path, body)

    @versions
    def test_messages_come_again_when_they_were_not_acknowledged(self, tmp_path: Path, version: int) -> None:
        """Only what was acknowledged is gone; the rest has DUP, the same identifiers and the same order, at QoS 1 and 2."""

        async def body(broker: Any) -> None:
            end = self.end(broker.port, version)
            await end.open("t/#")
            async with self.feeder(broker.port) as w:
                for n in range(8):
                    await w.publish("t/a", b"%d" % n, 1 + n % 2)
            first = list(await end.ears.got(8))
            end.ack(*first[:3], through=3)
            await end.close()
            again = self.end(broker.port, version)
            assert (await again.open()).session_present
            second = await again.ears.got(5)
            assert [(m.payload, m.mid, m.qos, m.dup) for m in second] == [(m.payload, m.mid, m.qos, True) for m in first[3:]]
            again.ack(*second, through=8)
            await again.echo()
            await again.close()

        self.run(tmp_path, body)

    @versions
    def test_broker_is_known_to_have_the_acknowledgements_when_it_answered(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
    ) -> None:
        """`on_acknowledged` says how far, after an answer to what was sent behind them, and never more."""
        monkeypatch.setattr(Pings, "SPACING_S", 0.01)

        async def body(broker: Any) -> None:
            end = self.end(broker.port, version)
            await end.open("t/#")
            async with self.feeder(broker.port) as w:
                for n in range(3):
                    await w.publish("t/a", b"%d" % n, 1)
            got = await end.ears.got(3)
            assert end.ears.through == 0
            for through in (2, 3):
                end.ack(got[through - 1], through=through)
                await end.ears.bell.until(lambda n=through: end.ears.through == n)  # type: ignore[misc]
            await end.close()

        self.run(tmp_path, body)

    @versions
    @pytest.mark.parametrize("qos", [0, 1, 2])
    def test_message_arrives_as_it_was_when_it_is_published(self, tmp_path: Path, version: int, qos: int) -> None:
        """Out and in again: topic, payload, QoS and, at v5, properties; with nothing in it, and of 600 kB."""
        about = p.packed({0x03: b"text/plain", 0x26: [(b"a", b"1"), (b"b", "ü".encode())]})[1:]

        async def body(broker: Any) -> None:
            end = self.end(broker.port, version)
            await end.open("t/#")
            payloads = [b"", b"x", bytes(range(256)) * 2400]
            for payload in payloads:
                assert await end.transport.publish("t/ä/b", payload, qos, False, about) == 0
            got = await end.ears.got(3)
            assert [(m.topic, m.payload, m.qos, m.retain) for m in got] == [("t/ä/b", one, qos, False) for one in payloads]
            if version == 5:
                assert [sorted(raw for i, raw in split_properties(m.properties) if i in (0x03, 0x26)) for m in got] == (
                    [sorted(raw for _, raw in split_properties(about))] * 3
                )
            end.ack(*got, through=3)
            await end.close()

        self.run(tmp_path, body)

    @versions
    def test_many_messages_go_out_in_order_when_published_at_once(self, tmp_path: Path, version: int) -> None:
        """500 calls, 50 at once, QoS 1 and 2: each answered, each there once, in the order of the calls within its QoS."""

        async def body(broker: Any) -> None:
            end = self.end(broker.port, version)
            await end.open("t/#")

            async def acknowledge() -> None:
                done = 0
                while done < 500:
                    got = await end.ears.got(done + 1)
                    end.ack(*got[done:], through=len(got))
                    done = len(got)

            room = asyncio.Semaphore(50)

            async def call(n: int) -> int:
                async with room:
                    return await end.transport.publish("t/a", b"%d" % n, 1 + n % 2, False)

            *codes, _ = await asyncio.gather(*(call(n) for n in range(500)), acknowledge())
            assert codes == [0] * 500
            for qos in (1, 2):
                assert [int(m.payload or b"") for m in end.ears.messages if m.qos == qos] == list(range(qos - 1, 500, 2))
            await end.close()

        self.run(tmp_path, body)

    @versions
    def test_filters_hear_what_is_subscribed_when_some_are_dropped(self, tmp_path: Path, version: int) -> None:
        """SUBSCRIBE and UNSUBSCRIBE in one call; identifiers of subscriptions at v5 in what comes."""

        async def body(broker: Any) -> None:
            end = self.end(broker.port, version)
            await end.open("old/#", qos=1)
            add = [Subscription("t/a", 0, identifier=7), Subscription("t/b", 1, identifier=300), Subscription("t/c", 2)]
            assert await end.transport.subscribe(add, ["old/#"]) == [0, 1, 2]
            async with self.feeder(broker.port) as w:
                for topic in ("old/x", "t/a", "t/b", "t/c"):
                    await w.publish(topic, b"x", 2)
            got = await end.ears.got(3)
            assert sorted((m.topic, m.qos) for m in got) == [("t/a", 0), ("t/b", 1), ("t/c", 2)]
            said = {m.topic: split_properties(m.properties) for m in got}
            if version == 5:
                assert said == {"t/a": [(0x0B, b"\x0b\x07")], "t/b": [(0x0B, b"\x0b\xac\x02")], "t/c": []}
            end.ack(*got, through=3)
            await end.close()

        self.run(tmp_path, body)

    @versions
    def test_nothing_is_handed_on_when_the_listener_wants_no_more(self, tmp_path: Path, version: int) -> None:
        """Reading stops with the batch that said so, answers to what we ask are held up with it, and all comes after `resume`."""

        async def body(broker: Any) -> None:
            end = self.end(broker.port, version)
            await end.open("t/#", qos=0)
            end.ears.more(1)
            async with self.feeder(broker.port) as w:
                for n in range(600):
                    w.send(p.encode_publish(p.Publish("t/a", b"%d" % n + bytes(1000)), True))
                await w.ping()
            while len(end.ears.messages) < 600:
                await end.ears.bell.until(lambda: end.ears._stopped, 10)
                assert not end.ears.late
                end.ears.more(min(600, len(end.ears.messages) + 150))
                end.transport.resume()
            assert [m.payload for m in end.ears.messages] == [b"%d" % n + bytes(1000) for n in range(600)]
            end.ears.more()
            end.transport.resume()
            await end.echo()
            await end.close()

        self.run(tmp_path, body)

    @versions
    def test_loss_is_told_once_when_another_client_takes_the_session_over(self, tmp_path: Path, version: int) -> None:
        """The same client id twice: the first is told, with the reason at v5; the second works."""

        async def body(broker: Any) -> None:
            one, two = self.end(broker.port, version), self.end(broker.port, version)
            await one.open("t/#")
            assert (await two.open()).session_present
            await one.ears.bell.until(lambda: bool(one.ears.losses))
            await two.echo()
            assert [type(e) for e in one.ears.losses] == [TransientError]
            assert version == 4 or "another client has connected with our client id" in str(one.ears.losses[0])
            with pytest.raises(TransientError):
                await one.transport.publish("t/a", b"x", 1, False)
            await one.close()
            await two.close()

        self.run(tmp_path, body)

    @versions
    def test_message_beyond_the_largest_comes_without_its_payload(self, tmp_path: Path, version: int) -> None:
        """v3.1.1 brokers know no limit: the payload is skipped, the rest can be acknowledged; v5 brokers send none of it."""

        async def body(broker: Any) -> None:
            end = self.end(broker.port, version, max_packet=5000)
            await end.open("t/#", qos=1)
            async with self.feeder(broker.port) as w:
                if version == 4:
                    await w.publish("t/a", bytes(3_000_000), 1)
                await w.publish("t/a", bytes(4000), 1)
            got = await end.ears.got(2 if version == 4 else 1)
            assert [m.payload for m in got] == [None, bytes(4000)][-len(got) :]
            end.ack(*got, through=len(got))
            await end.close()

        self.run(tmp_path, body)

    @versions
    def test_qos_2_message_is_delivered_when_its_identifier_was_left_half_done(self, tmp_path: Path, version: int) -> None:
        """A connection that went between PUBREC and PUBREL leaves its identifier at the broker, which takes the next message
        under it for a copy and drops it: none may be lost so."""

        async def body(broker: Any) -> None:
            raw = RawClient(broker.port, p.Connect("us", version, clean=False, properties={p.SESSION_EXPIRY: 600}))
            await raw.open()
            await raw.subscribe(p.Wanted("t/#", 1))
            heard = len(raw.messages)
            for mid in (1, 2, 3):
                raw._take = lambda *a: None  # type: ignore[method-assign]  # no PUBREL
                raw.send(p.encode_publish(p.Publish("t/a", b"old", 2, mid=mid), version == 5))
            await raw.quiet(0.1)
            await raw.vanish()
            assert heard == 0
            end = self.end(broker.port, version)
            assert (await end.open()).session_present
            for n in range(3):
                assert await end.transport.publish("t/a", b"new %d" % n, 2, False) == 0
            await end.ears.bell.until(lambda: sum(m.payload != b"old" for m in end.ears.messages) == 3, 5, "new messages")
            end.ack(*end.ears.messages, through=9)
            await end.close()

        self.run(tmp_path, body)

    def test_closing_twice_and_in_any_state_is_harmless(self, tmp_path: Path) -> None:
        """Before, during and after a connection; what waits gets an error, nothing hangs."""

        async def body(broker: Any) -> None:
            unused = self.end(broker.port, 5)
            await unused.close()
            await unused.close()
            cancelled = self.end(broker.port, 5)
            task = asyncio.ensure_future(cancelled.open("t/#"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await cancelled.close()
            end = self.end(broker.port, 5)
            await end.open("t/#")
            await asyncio.gather(end.close(), end.close())
            end.transport.resume()
            end.transport.acknowledge([(1, 1)], 1)
            with pytest.raises(TransientError):
                await end.transport.publish("t/a", b"x", 0, False)
            assert not end.ears.losses

        self.run(tmp_path, body)
