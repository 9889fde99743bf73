"""Commands to CoAP hosts: the contract of adapters that write, on aiocoap and on libcoap; what a host refuses or bends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiocoap
import cbor2
import pytest

from rt_edge.data.errors import RefusedError, TransientError
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.writable_contract import WritableBench, WritableContract
from tests.adapters.coap.peers import AiocoapServer, LibcoapServer, Value, harness, libcoap_client


def run(work: Callable[[], Coroutine[Any, Any, None]], within: float = 30.0) -> None:
    asyncio.run(asyncio.wait_for(work(), within))


class SetPoint(Value):
    """Takes what is put or posted; `bend` is what it makes of it."""

    def __init__(self, **more: Any) -> None:
        super().__init__(b"0", **more)
        self.seen: list[bytes] = []
        self.forms: list[int | None] = []
        self.methods: list[str] = []
        self.bend: Callable[[bytes], bytes] = lambda payload: payload
        self.answer: Any = aiocoap.CHANGED
        self.silent = False

    async def render_put(self, request: Any) -> aiocoap.Message:
        self.seen.append(request.payload)
        self.forms.append(request.opt.content_format)
        self.methods.append(request.code.name)
        if self.silent:
            await asyncio.get_running_loop().create_future()
        if self.answer.is_successful():
            self.payload = self.bend(request.payload)
        return aiocoap.Message(code=self.answer)

    render_post = render_put


def one(port: int, **point: Any) -> dict[str, Any]:
    point = {"path": "/set", "writable": True, "every": "1h", "codec": "raw", "type": "float", **point}
    return {"valve": {"url": f"coap://127.0.0.1:{port}", "resources": {"set": point}}}


class Bench(WritableBench):
    point = "valve/set"
    values = (1.5, 20.0, 300.25)
    refused = 1000.5

    def __init__(self, harness: AdapterHarness, device: SetPoint) -> None:
        super().__init__(harness)
        self._device = device

    def seen(self) -> list[float]:
        return [float(payload) for payload in self._device.seen]


class TestWrites(WritableContract):
    """PUT, 2.04, read back."""

    def bench(self, tmp_path: Path) -> AbstractAsyncContextManager[WritableBench]:
        return self._bench(tmp_path)

    @asynccontextmanager
    async def _bench(self, tmp_path: Path) -> AsyncIterator[WritableBench]:
        device = SetPoint()
        async with AiocoapServer({"/set": device}) as server:
            bench = Bench(harness(tmp_path / "data", hosts=one(server.port, max=1000)), device)
            try:
                yield bench
            finally:
                await bench.harness.adapter.close()


def test_libcoap_has_the_value_when_it_was_written(tmp_path: Path) -> None:
    """Debian's coap-server keeps what is put; its own client reads it."""

    async def work() -> None:
        async with LibcoapServer("-d", "5") as server:
            h = harness(tmp_path / "d", hosts=one(server.port, path="/example_data"))
            await h.open()
            done = await h.adapter.write("valve/set", 42.5, "k")
            assert done.status == "confirmed", done
            assert await h.adapter.read("valve/set") == 42.5
            assert (await libcoap_client(f"coap://127.0.0.1:{server.port}/example_data")).rstrip().endswith("42.5")
            await h.close()

    run(work)


@pytest.mark.parametrize(
    ("point", "value", "payload", "form"),
    [
        ({"write_as": "json"}, 2.5, b"2.5", 50),
        ({"write_as": "json", "write_field": "target", "codec": "json", "type": None}, 2.5, b'{"target":2.5}', 50),
        ({"write_as": "cbor", "codec": "cbor", "type": None, "write_type": "int"}, 7, cbor2.dumps(7), 60),
        ({"type": "bool"}, True, b"true", 0),
        ({"type": "str"}, "auto", b"auto", 0),
        ({"type": "bytes"}, b"\x00\xff", b"\x00\xff", 42),
        ({"write_method": "post", "type": "int"}, 3, b"3", 0),
    ],
)
def test_it_is_written_as_the_settings_say(point: dict[str, Any], value: Any, payload: bytes, form: int, tmp_path: Path) -> None:
    """Format, method and Content-Format; what is read back decides."""
    point = {"codec": "raw", "type": "float", **point}
    point = {key: each for key, each in point.items() if each is not None}

    async def work() -> None:
        device = SetPoint(form=form)
        device.payload = payload[:0] or (b"0" if form in (0, 50) else cbor2.dumps(0))
        async with AiocoapServer({"/set": device}) as server:
            hosts = {
                "valve": {
                    "url": f"coap://127.0.0.1:{server.port}",
                    "resources": {"set": {"path": "/set", "writable": True, **point}},
                }
            }
            h = harness(tmp_path / "d", hosts=hosts)
            await h.open()
            done = await h.adapter.write("valve/set", value, "k")
            assert done.status == "confirmed", done
            assert (device.seen, device.forms) == ([payload], [form])
            assert device.methods == [point.get("write_method", "put").upper()]
            await h.close()

    run(work)


def test_the_result_says_what_is_known_when_it_is_not_as_it_should_be(tmp_path: Path) -> None:
    """Refused by the host: failed. Bent: failed, with what it has. No answer: sent. Not read back: sent. Unknown: refused."""

    async def work() -> None:
        device = SetPoint()
        async with AiocoapServer({"/set": device}) as server:
            h = harness(tmp_path / "d", hosts=one(server.port))
            with pytest.raises(TransientError):
                await h.adapter.read("valve/set")
            await h.open()
            device.answer = aiocoap.FORBIDDEN
            done = await h.adapter.write("valve/set", 1.0, "a")
            assert (done.status, "4.03" in done.message) == ("failed", True)
            device.answer, device.bend = aiocoap.CHANGED, lambda _payload: b"7"
            done = await h.adapter.write("valve/set", 1.0, "b")
            assert (done.status, "has 7.0" in done.message) == ("failed", True)
            device.code = aiocoap.INTERNAL_SERVER_ERROR
            done = await h.adapter.write("valve/set", 1.0, "c")
            assert (done.status, "read back" in done.message) == ("sent", True)
            device.silent = True
            done = await h.adapter.write("valve/set", 1.0, "d")
            assert (done.status, "did not say" in done.message) == ("sent", True)
            before = len(device.seen)
            assert (await h.adapter.write("valve/set", 1.0, "d")).status == "sent"
            assert len(device.seen) == before  # answered, not repeated
            assert (await h.adapter.write("valve/no", 1.0, "e")).status == "refused"
            with pytest.raises(RefusedError):
                await h.adapter.read("valve/no")
            await h.close()

    run(work)


def test_a_command_waits_for_no_poll_when_many_are_due(tmp_path: Path) -> None:
    """200 resources are polled as fast as it goes; 20 commands take no longer than the few messages before each."""

    async def work() -> None:
        device = SetPoint()
        polled = {f"/p{number}": Value() for number in range(200)}
        async with AiocoapServer({"/set": device, **polled}) as server:
            hosts = one(server.port)
            hosts["valve"]["resources"] |= {f"p{n}": {"path": f"/p{n}", "every": "10ms"} for n in range(200)}
            h = harness(tmp_path / "d", hosts=hosts)
            h.demand(1_000_000)
            await h.open()
            await h.received(400)
            before = sum(one.gets for one in polled.values())
            for number in range(20):
                assert (await h.adapter.write("valve/set", float(number), f"k{number}")).status == "confirmed"
            asked = sum(one.gets for one in polled.values()) - before
            assert asked < 20 * 2 * 6, asked  # two messages a command; four requests in flight, and what follows them
            await h.close()

    run(work)


def test_what_is_still_so_is_not_sent_again_when_the_host_has_etags(tmp_path: Path) -> None:
    """2.03 without a payload is a Reading with the value known, and counted; another ETag brings another value."""

    class Tagged(Value):
        sent = 0

        async def render_get(self, request: Any) -> aiocoap.Message:
            answer = await super().render_get(request)
            answer.opt.etag = b"v" + self.payload[:4]
            if answer.opt.etag in request.opt.etags:
                return aiocoap.Message(code=aiocoap.VALID, etag=answer.opt.etag)
            self.sent += 1
            return answer

    async def work() -> None:
        value = Tagged(b"11")
        async with AiocoapServer({"/v": value}) as server:
            resources = {"v": {"path": "/v", "every": "20ms"}}
            h = harness(tmp_path / "d", hosts={"a": {"url": f"coap://127.0.0.1:{server.port}", "resources": resources}})
            h.demand(1000)
            await h.open()
            await h.received(5)
            assert value.sent == 1
            value.payload = b"12"
            await h.until(lambda: h.readings[-1].fields["value"] == 12)
            await h.received(len(h.emitted) + 2)
            assert value.sent == 2
            assert h.context.counts["validated"] >= 5
            assert {one.fields["value"] for one in h.readings} == {11, 12}
            await h.close()

    run(work)


@pytest.mark.parametrize("observe", [False, True])
@pytest.mark.parametrize("code", [aiocoap.NOT_ACCEPTABLE, aiocoap.BAD_OPTION])
def test_it_is_asked_without_accept_when_the_host_does_not_know_the_format(observe: bool, code: Any, tmp_path: Path) -> None:
    """The codec's format is asked for; a host that cannot is asked without, once and for all; what the user wrote is kept."""

    class Picky(Value):
        asked: list[int | None]
        never = False

        async def render_get(self, request: Any) -> aiocoap.Message:
            self.asked.append(request.opt.accept)
            if request.opt.accept is not None or self.never:
                return aiocoap.Message(code=code)
            return await super().render_get(request)

    async def work() -> None:
        value, strict = Picky(b'{"a": 1}', form=50), Picky(b'{"a": 1}', form=50)
        never = Picky(b"1", form=50)
        never.never = True
        value.asked, strict.asked, never.asked = [], [], []
        async with AiocoapServer({"/v": value, "/s": strict, "/n": never}) as server:
            resources = {
                "v": {"path": "/v", "every": "20ms", "codec": "json", "observe": observe},
                "s": {"path": "/s", "every": "20ms", "codec": "json", "accept": 50},
                "n": {"path": "/n", "every": "20ms", "codec": "json"},
            }
            h = harness(tmp_path / "d", hosts={"a": {"url": f"coap://127.0.0.1:{server.port}", "resources": resources}})
            h.demand(1000)
            await h.open()
            await h.until(lambda: bool(h.readings) and min(len(strict.asked), len(never.asked)) > 2)
            assert value.asked[:2] == [50, None]
            assert set(value.asked[1:]) == {None}
            assert set(strict.asked) == {50}
            assert h.context.counts["accept_refused"] == 2  # once for each that may be asked otherwise
            await h.close()

    run(work)
