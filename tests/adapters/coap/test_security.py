"""DTLS with pre-shared keys, with libcoap's programs as the other side: both ways, wrong keys, both ends killed, loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.coap import openssl, secure_socket
from adapters.coap.dtls import CIPHERS, ClientSession, DtlsError, Listener, is_client_hello
from adapters.coap.seam import Security, Target, Tuning, Unanswered
from adapters.coap.transport import AiocoapChannel
from rt_edge.data.errors import FatalAdapterError, TransientError
from rt_edge.settings.load import load
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.waiting import Bell
from tests.adapters.coap.peers import LibcoapServer, Relay, harness, libcoap_client

KEY = "hex:736563726574"  # secret
QUICK = Tuning(0.3, 1, 2.0, 65_536)


def run(work: Callable[[], Coroutine[Any, Any, None]], within: float = 30.0) -> None:
    asyncio.run(asyncio.wait_for(work(), within))


def secured(port: int, key: str = KEY, **resources: Any) -> dict[str, Any]:
    resources = resources or {"time": {"path": "/time", "every": "20ms", "codec": "raw"}}
    psk = {"identity": "gw", "key": key}
    return {"clock": {"url": f"coaps://127.0.0.1:{port}", "psk": psk, "resources": resources}}


def guarded(folder: Path, address: str = "127.0.0.1:0", **clients: str) -> AdapterHarness:
    listen = {"address": address, "clients": clients, "paths": [{"path": "/push/{device}"}]}
    return harness(folder, "inbox", listen=listen)


@asynccontextmanager
async def settling(h: AdapterHarness) -> AsyncIterator[None]:
    """What is emitted is durable at once."""

    async def settle() -> None:
        done = 0
        while True:
            await h.context.bell.until(lambda done=done: len(h.emitted) > done, 60)
            done = len(h.emitted)
            h.settle()

    task = asyncio.get_running_loop().create_task(settle())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("variant", ["openssl", "gnutls"])
def test_is_polled_and_observed_when_libcoap_wants_dtls(variant: str, tmp_path: Path) -> None:
    """Debian's coap-server on OpenSSL and on GnuTLS; killed and started again it is spoken to with a new session."""

    async def work() -> None:
        async with LibcoapServer("-k", "secret", variant=variant) as server:
            observed = {"path": "/time", "observe": True, "codec": "raw"}
            polled = {"path": "/example_data", "every": "20ms"}
            h = harness(tmp_path / "d", hosts=secured(server.port + 1, seen=observed, asked=polled))
            h.demand(1000)
            await h.open()
            await h.until(lambda: {"seen", "asked"} <= {one.tags["resource"] for one in h.readings})
            await server.kill()
            await h.until(lambda: bool(h.context.losses))
            await h.adapter.close()
            before = len(h.emitted)
            await server.start()
            await h.open()
            await h.received(before + 2)
            await h.close()

    run(work)


def test_says_what_it_may_be_when_the_key_is_wrong(tmp_path: Path) -> None:
    """A server is silent towards a wrong key: the words name it; nothing is read."""

    async def work() -> None:
        async with LibcoapServer("-k", "secret", variant="openssl") as server:
            h = harness(tmp_path / "d", hosts=secured(server.port + 1, key="another"))
            with pytest.raises(TransientError, match="identity or key"):
                await h.open()
            await h.adapter.close()

    run(work)


@pytest.mark.parametrize("variant", ["openssl", "gnutls"])
def test_is_stored_and_answered_when_libcoap_pushes_over_dtls(variant: str, tmp_path: Path) -> None:
    """The identity becomes a tag; who has no key, or a wrong one, gets nothing in."""

    async def work() -> None:
        h = guarded(tmp_path / "d", pump="secret", valve="hex:00ff")
        await h.open()
        h.demand(100)
        async with settling(h):
            to = f"coaps://127.0.0.1:{h.adapter.port}/push/a"
            for who in ("a", "b"):
                args = ("-u", "pump", "-k", "secret", "-m", "put", "-e", "1")
                said = await libcoap_client(*args, to[:-1] + who, variant=variant)
                assert "2.04" in said, said
            bad = await asyncio.gather(
                libcoap_client("-u", "pump", "-k", "wrong", "-m", "put", "-e", "2", to, variant=variant, wait=1),
                libcoap_client("-u", "nobody", "-k", "secret", "-m", "put", "-e", "3", to, variant=variant, wait=1),
                libcoap_client("-m", "put", "-e", "4", to.replace("coaps", "coap"), wait=1),
            )
            assert not any("2.04" in said for said in bad)
        assert [(one.source, one.tags["identity"]) for one in h.readings] == [("inbox/a", "pump"), ("inbox/b", "pump")]
        await h.close()

    run(work)


def test_every_poll_is_answered_when_the_network_is_bad(tmp_path: Path) -> None:
    """A fifth of the datagrams lost, some doubled and late: handshake and 30 answers get through, between ends of ours."""

    async def work() -> None:
        h = guarded(tmp_path / "d", gw="secret")
        await h.open()
        h.demand(100)
        async with settling(h), Relay(h.adapter.port, Random(3), loss=0.2, double=0.1, late=0.1) as relay:
            key = Security("gw", b"secret")
            channel = AiocoapChannel("127.0.0.1", relay.port, Tuning(0.05, 9, 20.0, 1024), lambda: key)
            await channel.open()
            for number in range(30):
                answer = await channel.put(Target(("push", "x")), "post", b"%d" % number, 0)
                assert answer.code == "2.04"
            await channel.close()
            assert min(relay.lost, relay.doubled) > 3
        await h.close()
        assert [one.fields["value"] for one in h.readings] == list(range(30))

    run(work)


def test_the_old_session_lives_when_a_stranger_says_hello_from_its_address(tmp_path: Path) -> None:
    """RFC 6347, 4.2.8: a ClientHello with a forged address ends nothing; the real client, restarted, gets a new session."""

    async def work() -> None:
        sent: list[bytes] = []
        socket = secure_socket.SecureSocket(lambda _name: b"secret", asyncio.get_running_loop().time, lambda _error: None)
        socket.transport = type("T", (), {"sendto": lambda _self, data, _to: sent.append(data), "abort": lambda _self: None})()
        here = ("127.0.0.1", 9)

        def shake() -> ClientSession:
            client = ClientSession("gw", b"secret")
            client.handshake()
            while True:
                out = client.outgoing()
                for datagram in out:
                    socket.datagram_received(datagram, here)
                answers, sent[:] = list(sent), []
                if not answers and not out:
                    return client
                for datagram in answers:
                    client.receive(datagram)

        first = shake()
        assert first.ready
        (remote,) = socket._sessions.values()
        stranger = ClientSession("gw", b"guess")
        stranger.handshake()
        (hello,) = stranger.outgoing()
        assert is_client_hello(hello)
        socket.datagram_received(hello, here)
        assert len(sent[0]) < len(hello)  # a cookie, and nothing is kept
        assert not socket._pending
        sent.clear()
        assert socket._sessions[here] is remote
        second = shake()
        assert second.ready
        assert socket._sessions[here] is not remote
        await socket.shutdown()

    run(work)


@asynccontextmanager
async def mute() -> AsyncIterator[tuple[int, list[bytes], Bell]]:
    """A server that hears and says nothing."""
    heard: list[bytes] = []
    bell = Bell()

    class Ear(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            heard.append(data)
            bell.ring()

    end, _ = await asyncio.get_running_loop().create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
    try:
        yield end.get_extra_info("sockname")[1], heard, bell
    finally:
        end.close()
        await asyncio.sleep(0)


class Wire:
    """What a `SecureSocket` sends."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.bell = Bell()

    def sendto(self, data: bytes, _to: object) -> None:
        self.sent.append(data)
        self.bell.ring()

    def abort(self) -> None:
        """Nothing to let go."""

    def take(self) -> list[bytes]:
        taken, self.sent = self.sent, []
        return taken


def test_a_lost_flight_is_sent_again_by_the_server_when_the_client_says_nothing() -> None:
    """RFC 6347, 4.2.4: by its own timer; the handshake ends well."""

    async def work() -> None:
        wire, here = Wire(), ("127.0.0.1", 9)
        socket = secure_socket.SecureSocket(lambda _name: b"secret", asyncio.get_running_loop().time, lambda _error: None)
        socket.connection_made(wire)  # type: ignore[arg-type]
        client = ClientSession("gw", b"secret")
        client.handshake()
        for _ in range(2):  # hello, and hello with the cookie
            (hello,) = client.outgoing()
            for answer in wire.take():
                client.receive(answer)
            socket.datagram_received(hello, here)
            for answer in wire.take()[:1] if not socket._pending else []:
                client.receive(answer)
        wire.take()
        await wire.bell.until(lambda: len(wire.sent) >= 2, 5, "the flight again")
        for answer in wire.take():
            client.receive(answer)
        for datagram in client.outgoing():
            socket.datagram_received(datagram, here)
        for answer in wire.take():
            client.receive(answer)
        assert client.ready
        assert not socket._pending
        await socket.shutdown()

    run(work)


def test_a_lost_hello_is_sent_again_by_the_client(tmp_path: Path) -> None:
    """By its own timer, too; closing in the middle leaves nothing behind."""

    async def work() -> None:
        async with mute() as (port, heard, bell):
            channel = AiocoapChannel("127.0.0.1", port, QUICK, lambda: Security("gw", b"secret"))
            opening = asyncio.get_running_loop().create_task(channel.open())
            await bell.until(lambda: len(heard) >= 2, 5, "the hello again")
            opening.cancel()
            await asyncio.wait([opening])
            await channel.close()
            assert all(is_client_hello(one) for one in heard)

    run(work)


def test_a_cookie_counts_for_one_address_only() -> None:
    """Who shows the cookie of another gets one of its own, and no session."""
    listener = Listener(lambda _name: b"secret")
    client = ClientSession("gw", b"secret")
    client.handshake()
    (cookie,), nobody = listener.hello(client.outgoing()[0], "a")
    client.receive(cookie)
    (second,) = client.outgoing()
    out, session = listener.hello(second, "b")
    assert (nobody, session, len(out)) == (None, None, 1)
    assert listener.hello(second, "a")[1] is not None


def test_sessions_are_bounded_when_many_clients_come(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Beyond the bound the one that was silent longest goes; handshakes that nobody finishes do not pile up."""
    monkeypatch.setattr(secure_socket, "MAX_SESSIONS", 3)
    monkeypatch.setattr(secure_socket, "MAX_HANDSHAKES", 2)

    async def work() -> None:
        h = guarded(tmp_path / "d", gw="secret")
        await h.open()
        h.demand(100)
        async with settling(h):
            channels = [AiocoapChannel("127.0.0.1", h.adapter.port, QUICK, lambda: Security("gw", b"secret")) for _ in range(5)]
            for channel in channels:
                await channel.open()
                assert (await channel.put(Target(("push", "x")), "post", b"1", 0)).code == "2.04"
            socket = h.adapter._server._tokens.token_interface.message_interface
            assert len(socket._sessions) == 3
            with pytest.raises(Unanswered):
                await channels[0].put(Target(("push", "x")), "post", b"1", 0)
            assert (await channels[4].put(Target(("push", "x")), "post", b"1", 0)).code == "2.04"
            for channel in channels:
                await channel.close()
        await h.close()

    run(work)


def test_the_mandatory_cipher_is_offered() -> None:
    """TLS_PSK_WITH_AES_128_CCM_8 (RFC 7252, 9.1.3.1), and nothing without a key."""
    assert b"PSK-AES128-CCM8" in CIPHERS
    assert all(b"PSK" in one for one in CIPHERS.partition(b"@")[0].split(b":"))
    client = ClientSession("gw", b"secret")
    client.handshake()
    (hello,) = client.outgoing()
    assert b"\xc0\xa8" in hello


def test_garbage_ends_nothing_when_it_comes_into_a_session() -> None:
    """Records that do not verify are passed over (RFC 6347, 4.1.2.7); an oversized one too."""
    listener = Listener(lambda name: b"secret" if name == "gw" else None)
    client = ClientSession("gw", b"secret")
    client.handshake()
    _, server = listener.hello(client.outgoing()[0], "a")
    assert server is None
    (cookie,) = listener.hello(_hello_of("gw"), "b")[0]
    assert len(cookie) < 100
    random = Random(1)
    for _ in range(200):
        junk = random.randbytes(random.randrange(1, 200))
        assert client.receive(junk) == []
    assert not client.over


def _hello_of(identity: str) -> bytes:
    client = ClientSession(identity, b"x")
    client.handshake()
    return client.outgoing()[0]


def test_what_to_install_is_said_when_there_is_no_openssl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An error of `check`, with the place and the package; opening says the same."""

    def missing() -> None:
        raise OSError("libssl.so.3: cannot open shared object file")

    monkeypatch.setattr(openssl, "library", missing)
    config = tmp_path / "node.yaml"
    config.write_text(
        "node: {id: a}\nadapters:\n  x:\n    kind: coap\n"
        "    hosts: {h: {url: 'coaps://h', psk: {identity: a, key: {env: K}}, resources: {t: {path: /t}}}}\n"
    )
    (error,) = [str(one) for one in load(config).errors]
    assert "5:22" in error
    assert "apt install libssl3" in error
    with pytest.raises(FatalAdapterError, match=r"libssl\.so\.3"):
        ClientSession("a", b"b")


def test_a_closed_session_says_so_when_it_is_used() -> None:
    """Sending into it raises; it is no crash of the process."""
    session = ClientSession("gw", b"secret")
    with pytest.raises(DtlsError):
        session.send(b"x")
    session.close()
    with pytest.raises(DtlsError):
        session.receive(b"x")
