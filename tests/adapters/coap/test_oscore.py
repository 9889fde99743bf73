"""OSCORE, with aiocoap's own contexts as the other side: RFC 8613's vectors, numbers over a crash, challenges, replays."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiocoap
import pytest
from aiocoap import oscore, resource
from aiocoap.credentials import CredentialsMap
from aiocoap.message import Direction
from aiocoap.numbers.types import ACK
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper

from adapters.coap import oscore as ours
from adapters.coap.observation import Observation
from adapters.coap.oscore import AHEAD, Keys, OscoreContext
from rt_edge.data.errors import FatalAdapterError
from rt_edge.testkit.adapter_harness import AdapterHarness
from tests.adapters.coap.peers import Value, client, harness, push
from tests.adapters.coap.test_pushing import device
from tests.adapters.coap.test_security import settling

SECRET = "0102030405060708090a0b0c0d0e0f10"
SALT = "9e7ca92223786340"
OURS = {"sender_id": "01", "recipient_id": "02", "secret": f"hex:{SECRET}", "salt": f"hex:{SALT}"}


def run(work: Callable[[], Coroutine[Any, Any, None]], within: float = 30.0) -> None:
    asyncio.run(asyncio.wait_for(work(), within))


def keys(sender: bytes = b"\1", recipient: bytes = b"\2", **more: Any) -> Keys:
    return Keys("device", sender, recipient, bytes.fromhex(SECRET), bytes.fromhex(SALT), **more)


def theirs(folder: Path, sender: str = "02", recipient: str = "01") -> Any:
    """aiocoap's own context, in files as it has them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps({"sender-id_hex": sender, "recipient-id_hex": recipient}))
    (folder / "secret.json").write_text(json.dumps({"secret_hex": SECRET, "salt_hex": SALT}))
    return oscore.FilesystemSecurityContext(str(folder))


def listener(folder: Path, **listen: Any) -> AdapterHarness:
    paths = [{"path": "/push/{device}"}]
    return harness(folder, "inbox", listen={"address": "127.0.0.1:0", "oscore": {"pump": OURS}, "paths": paths, **listen})


def test_bytes_are_those_of_the_rfc_when_a_request_is_protected(tmp_path: Path) -> None:
    """RFC 8613, C.4: GET /tv1 with sequence number 20, client without an ID."""
    context = OscoreContext(keys(b"", b"\1"), tmp_path)
    assert context.sender_key.hex() == "f0910ed7295e6ad4b54fc793154302ff"
    context.sender_sequence_number = 20
    plain = aiocoap.Message.decode(bytes.fromhex("44015d1f00003974396c6f63616c686f737483747631"))
    plain.direction = Direction.OUTGOING
    wire, _ = ours.seal(context, plain)
    wire.mid, wire.token, wire.mtype = plain.mid, plain.token, plain.mtype
    assert wire.encode().hex() == "44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e"


def test_no_number_is_used_twice_when_the_process_is_killed(tmp_path: Path) -> None:
    """kill -9 at any moment: the next life begins above all that was used; a clean end wastes none."""
    used: list[int] = []
    method = multiprocessing.get_context("fork")
    for _ in range(3):
        reading, writing = os.pipe()
        life = method.Process(target=_use_numbers, args=(tmp_path, writing), daemon=True)
        life.start()
        os.close(writing)
        with os.fdopen(reading) as said:
            lines = [said.readline() for _ in range(AHEAD + 40)]
            assert life.pid is not None
            os.kill(life.pid, signal.SIGKILL)
            lines += said.readlines()
        life.join()
        numbers = [int(line) for line in lines if line.endswith("\n")]
        assert len(numbers) >= AHEAD + 40
        assert numbers[0] > max(used, default=-1)
        used += numbers
    assert len(set(used)) == len(used)
    last = OscoreContext(keys(), tmp_path)
    first = last.new_sequence_number()
    last.close()
    assert OscoreContext(keys(), tmp_path).new_sequence_number() == first + 1


def _use_numbers(folder: Path, pipe: int) -> None:
    context = OscoreContext(keys(), folder)
    while True:
        os.write(pipe, b"%d\n" % context.new_sequence_number())


def test_other_keys_have_other_numbers_when_they_take_turns(tmp_path: Path) -> None:
    """Numbers belong to the derived keys: an old secret that comes back goes on where it was. A broken file is an error."""
    first = OscoreContext(keys(), tmp_path)
    first.new_sequence_number()
    first.close()
    assert OscoreContext(keys(id_context=b"x"), tmp_path).new_sequence_number() == 0
    assert OscoreContext(keys(), tmp_path).new_sequence_number() == 1
    next(tmp_path.glob(f"oscore-{first.digest.hex()}.json")).write_text("{")
    with pytest.raises(OSError, match="not known which numbers"):
        OscoreContext(keys(), tmp_path)


def test_pushes_are_taken_when_they_are_protected_and_refused_when_not(tmp_path: Path) -> None:
    """aiocoap's client: small ones, one in blocks; without OSCORE, with another secret, an unknown ID: nothing gets in."""

    async def work() -> None:
        h = listener(tmp_path / "d")
        await h.open()
        h.demand(100)
        async with settling(h), client("oscore") as context:
            port = h.adapter.port
            assert (await push(context, port, "/push/a", b"1")).code == aiocoap.UNAUTHORIZED
            context.client_credentials[f"coap://127.0.0.1:{port}/*"] = theirs(tmp_path / "peer")
            assert (await push(context, port, "/push/a", b"1")).code == aiocoap.CHANGED
            assert (await push(context, port, "/push/b", b"x" * 3000)).code == aiocoap.CHANGED
            assert (await push(context, port, "/nowhere", b"1")).code == aiocoap.NOT_FOUND
            assert h.context.counts["refused_unprotected"] == 1
        assert [(one.source, one.tags["identity"]) for one in h.readings] == [("inbox/a", "pump"), ("inbox/b", "pump")]
        assert h.readings[1].fields == {"value": "x" * 3000}
        await h.close()

    run(work)


def protected(context: Any, mid: int, payload: bytes, echo: bytes | None = None) -> tuple[bytes, Any]:
    """A confirmable POST as a device sends it, and what its response belongs to."""
    message = aiocoap.Message(code=aiocoap.POST, payload=payload)
    message.opt.uri_path = ("push", "a")
    if echo is not None:
        message.opt.echo = echo
    message.direction = Direction.OUTGOING
    wire, request = context.protect(message)
    wire.mid, wire.token, wire.mtype = mid, b"t%d" % mid, aiocoap.CON
    return wire.encode(), request


def opened(context: Any, data: bytes, request: Any) -> Any:
    """The response in a datagram."""
    message = aiocoap.Message.decode(data)
    message.direction = Direction.INCOMING
    assert message.mtype is ACK
    return context.unprotect(message, request)[0]


class _Raw(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue(100)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.put_nowait(data)


@asynccontextmanager
async def raw() -> AsyncIterator[tuple[_Raw, Callable[[bytes, int], None]]]:
    end, peer = await asyncio.get_running_loop().create_datagram_endpoint(_Raw, local_addr=("127.0.0.1", 0))
    try:
        yield peer, lambda data, port: end.sendto(data, ("127.0.0.1", port))
    finally:
        end.close()
        await asyncio.sleep(0)


def test_a_push_keeps_its_name_when_the_process_died_before_the_answer(tmp_path: Path) -> None:
    """Durable, not answered, dead; repeated: a challenge. What answers it has another number and the same key: stored once."""

    async def work() -> None:
        context = theirs(tmp_path / "peer")
        async with raw() as (peer, send):
            first = listener(tmp_path / "d")
            await first.open()
            first.demand(5)
            data, request = protected(context, 7, b"1")
            send(data, first.adapter.port)
            await first.received(1)  # and it dies here: nothing of it is closed
            second = listener(tmp_path / "d")
            await second.open()
            second.demand(5)
            send(data, second.adapter.port)
            challenge = opened(context, await peer.heard.get(), request)
            assert challenge.code == aiocoap.UNAUTHORIZED
            assert not second.emitted
            other, asked = protected(context, 8, b"2")  # another push that is challenged meanwhile is another one
            send(other, second.adapter.port)
            challenged = opened(context, await peer.heard.get(), asked)
            assert challenged.opt.echo != challenge.opt.echo
            again, _ = protected(context, 9, b"1", challenge.opt.echo)
            send(again, second.adapter.port)
            await second.received(1)
            more, _ = protected(context, 10, b"2", challenged.opt.echo)
            send(more, second.adapter.port)
            await second.received(2)
            keys_seen = [one.key for one in (first.emitted[0], *second.emitted)]
            assert keys_seen[0] == keys_seen[1] != keys_seen[2]
            assert second.emitted[0].redelivered
            assert first.emitted[0].session == second.emitted[0].session
            await second.close()
            await first.close()

    run(work)


def test_nothing_is_taken_twice_when_somebody_replays(tmp_path: Path) -> None:
    """The same bytes from another address, at once and after a restart: refused, or answered from memory; never stored again."""

    async def work() -> None:
        context = theirs(tmp_path / "peer")
        h = listener(tmp_path / "d")
        await h.open()
        h.demand(5)
        async with raw() as (peer, send), raw() as (thief, steal), settling(h):
            data, request = protected(context, 7, b"1")
            send(data, h.adapter.port)
            assert opened(context, await peer.heard.get(), request).code == aiocoap.CHANGED
            steal(data, h.adapter.port)
            stolen = opened(context, await thief.heard.get(), request)  # known: the answer it had; it says nothing new
            assert stolen.code == aiocoap.CHANGED
            assert len(h.emitted) == 1
            h.adapter._intake._known.clear()  # a lifetime later
            data2 = data[:2] + b"\0\x63" + data[4:]
            steal(data2, h.adapter.port)
            assert opened(context, await thief.heard.get(), request).code == aiocoap.UNAUTHORIZED
            assert h.context.counts["refused_replayed"] == 1
            bent = data[:-1] + bytes([data[-1] ^ 1])
            steal(bent, h.adapter.port)
            refusal = aiocoap.Message.decode(await thief.heard.get())
            assert refusal.code == aiocoap.BAD_REQUEST
            assert len(h.emitted) == 1
        await h.close()

    run(work)


class Site:
    """aiocoap's server behind OSCORE, which may lose its memory."""

    def __init__(self, folder: Path, resources: dict[str, Any]) -> None:
        self._folder, self._resources, self.port = folder, resources, 0
        self._context: Any = None
        self.credentials: Any = None

    async def start(self) -> None:
        site = resource.Site()
        for path, one in self._resources.items():
            site.add_resource([path], one)
        self.credentials = CredentialsMap()
        self.credentials[":gw"] = theirs(self._folder)
        wrapped = OscoreSiteWrapper(site, self.credentials)
        self._context = await aiocoap.Context.create_server_context(
            wrapped, bind=("127.0.0.1", self.port), transports=["udp6"], server_credentials=self.credentials
        )
        interface = self._context.request_interfaces[0].token_interface.message_interface
        self.port = interface.transport.get_extra_info("socket").getsockname()[1]

    async def stop(self, crash: bool) -> None:
        messages = self._context.request_interfaces[0].token_interface
        for _, handle in messages._piggyback_opportunities.values():  # aiocoap forgets them
            handle.cancel()
        await self._context.shutdown()
        context = self.credentials[":gw"]
        if crash:  # its lock goes, what it knew does not reach the disk
            context.lockfile.release(force=True)
            context.lockfile = None


# aiocoap's server forgets a request that comes in the turn in which it is shut down
@pytest.mark.filterwarnings("ignore:coroutine .Context._render_to_pipe:RuntimeWarning")
def test_is_polled_and_observed_when_a_host_wants_oscore(tmp_path: Path) -> None:
    """Values, notifications, blocks; a host that was killed and has lost its memory asks for an answer to its challenge."""

    async def work() -> None:
        level, state = Value(b"1"), Value(b"y" * 3000)
        site = Site(tmp_path / "peer", {"level": level, "state": state})
        await site.start()
        resources = {
            "level": {"path": "/level", "observe": True, "every": "50ms"},
            "state": {"path": "/state", "every": "30ms", "codec": "raw"},
        }
        host = {"url": f"coap://127.0.0.1:{site.port}", "oscore": OURS, "resources": resources}
        h = harness(tmp_path / "d", hosts={"tank": host})
        h.demand(100_000)
        await h.open()

        def values(name: str) -> list[Any]:
            return [one.fields["value"] for one in h.readings if one.tags["resource"] == name]

        await h.until(lambda: values("level") == [1] and values("state")[:1] == ["y" * 3000])
        level.set(b"2")
        await h.until(lambda: values("level") == [1, 2])
        await site.stop(crash=True)
        await h.until(lambda: bool(h.context.losses))
        await h.adapter.close()
        level.payload = b"3"
        await site.start()
        await h.open()
        await h.until(lambda: values("level")[-1] == 3)
        level.set(b"4")
        await h.until(lambda: values("level")[-1] == 4)
        await h.close()
        await site.stop(crash=False)

    run(work)


@pytest.mark.filterwarnings("ignore:coroutine .Context._render_to_pipe:RuntimeWarning")
def test_an_observation_goes_on_when_it_is_registered_again(tmp_path: Path) -> None:
    """Max-Age is 1 s: the next registration has a token of its own, and notifications after it are taken."""

    async def work() -> None:
        level = Value(b"1", max_age=1)
        site = Site(tmp_path / "peer", {"level": level})
        await site.start()
        resources = {"level": {"path": "/level", "observe": True, "every": "1h"}}
        host = {"url": f"coap://127.0.0.1:{site.port}", "oscore": OURS, "resources": resources}
        h = harness(tmp_path / "d", hosts={"tank": host})
        h.demand(1000)
        await h.open()
        await h.until(lambda: h.context.counts.get("refreshed", 0) >= 1)
        level.set(b"2")
        await h.until(lambda: h.readings[-1].fields["value"] == 2)
        await site.stop(crash=True)  # and the first thing that the host hears again is a registration: it is challenged
        await h.until(lambda: bool(h.context.losses))
        await h.adapter.close()
        level.payload = b"3"
        await site.start()
        await h.open()
        await h.until(lambda: h.readings[-1].fields["value"] == 3)
        level.set(b"4")
        await h.until(lambda: h.readings[-1].fields["value"] == 4)
        await h.close()
        await site.stop(crash=False)

    run(work)


def test_what_was_overtaken_is_told_when_the_sequence_numbers_say_so() -> None:
    """The first response has none and is the oldest; a lower one gets the number of the newest, which nobody takes."""
    observation = Observation.__new__(Observation)
    observation._channel = SimpleNamespace(sealed=True)  # type: ignore[assignment]
    observation._opened, observation._at, observation._number = lambda message: message, -2, 0

    def number(observe: int) -> int | None:
        message = aiocoap.Message(code=aiocoap.CONTENT)
        message.opt.observe = observe
        taken: int | None = observation._open(message).opt.observe
        return taken

    assert [number(each) for each in (-1, 20_000_000, 19_999_999, 20_000_001, 1 << 39)] == [1, 2, 2, 3, 4]


def test_says_what_to_install_when_the_library_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`pip install 'rt-edge[coap]'`, and no traceback."""
    monkeypatch.setitem(__import__("sys").modules, "adapters.coap.oscore", None)

    async def work() -> None:
        h = listener(tmp_path / "d")
        with pytest.raises(FatalAdapterError) as caught:
            await h.open()
        assert "rt-edge[coap]" in caught.value.hint
        async with device(1):
            pass
        await h.close()

    run(work)
