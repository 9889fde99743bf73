"""The websocket under MQTT: handshake, frames cut anywhere, control frames between the parts, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import socket
from contextlib import suppress
from hashlib import sha1

import pytest

from adapters.mqtt.link import WebsocketLink
from adapters.mqtt.websocket import FrameReader, WebsocketError, check_response, frame, request, response_end
from rt_edge.testkit.waiting import until


def unmasked(payload: bytes, opcode: int = 2, last: bool = True) -> bytes:
    """A server's frame, written down from RFC 6455, 5.2."""
    head = bytes(((128 if last else 0) | opcode,))
    size = len(payload)
    if size < 126:
        return head + bytes((size,)) + payload
    if size < 65_536:
        return head + b"\x7e" + size.to_bytes(2, "big") + payload
    return head + b"\x7f" + size.to_bytes(8, "big") + payload


def decode_masked(data: bytes) -> tuple[int, bytes, bytes]:
    """(opcode, payload, rest) of a client's frame, byte by byte."""
    size, at = data[1] & 127, 2
    assert data[1] & 128
    if size == 126:
        size, at = int.from_bytes(data[2:4], "big"), 4
    elif size == 127:
        size, at = int.from_bytes(data[2:10], "big"), 10
    mask, body = data[at : at + 4], data[at + 4 : at + 4 + size]
    return data[0] & 15, bytes(b ^ mask[i % 4] for i, b in enumerate(body)), data[at + 4 + size :]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frame_is_what_the_rfc_says_when_it_is_written(size: int) -> None:
    """Lengths in 7, 16 and 64 bits, masked by XOR; a byte by byte decoder gets the same."""
    payload = bytes(i * 7 & 255 for i in range(size))
    assert decode_masked(frame(payload)) == (2, payload, b"")


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000, 10**6])
def test_stream_is_whole_when_frames_are_cut_anywhere(step: int) -> None:
    """Fragments, a ping between them, an empty frame and a long one: the payloads in order, the ping answered once."""
    long = bytes(70_000)
    data = unmasked(b"ab", 2, last=False) + unmasked(b"hi", 9) + unmasked(b"cd", 0) + unmasked(b"") + unmasked(long)
    data += unmasked(b"", 10) + unmasked(b"e" * 300) + unmasked(b"\x03\xe8bye", 8)
    reader = FrameReader()
    out = b"".join(reader.feed(data[at : at + step]) for at in range(0, len(data), step))
    assert out == b"abcd" + long + b"e" * 300
    assert reader.closed
    opcode, content, rest = decode_masked(bytes(reader.replies))
    assert (opcode, content) == (10, b"hi")
    assert decode_masked(rest)[:2] == (8, b"\x03\xe8")


@pytest.mark.parametrize(
    "bad",
    [
        unmasked(b"x", 1),
        unmasked(b"x", 0),
        unmasked(b"x", 3),
        unmasked(b"a", 2, last=False) + unmasked(b"b", 2),
        unmasked(b"x" * 126, 9),
        unmasked(b"x", 9, last=False),
        bytes((0xC2, 0)),
        frame(b"masked"),
    ],
    ids=["text", "continuation", "reserved", "unfinished", "long ping", "fragmented ping", "reserved bit", "masked"],
)
def test_is_refused_when_frames_are_not_of_mqtt(bad: bytes) -> None:
    """Texts, parts out of order, reserved bits, long or cut control frames, masked frames."""
    with pytest.raises(WebsocketError):
        FrameReader().feed(bad)


def answer(key: str, **changes: str) -> bytes:
    accept = base64.b64encode(sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    fields = {"Upgrade": "WebSocket", "Connection": "keep-alive, Upgrade", "Sec-WebSocket-Accept": accept}
    fields |= {"Sec-WebSocket-Protocol": "mqtt"} | {name.replace("_", "-"): value for name, value in changes.items()}
    return "\r\n".join(["HTTP/1.1 101 Switching", *(f"{k}: {v}" for k, v in fields.items() if v)]).encode()


def test_handshake_is_refused_when_the_answer_is_another() -> None:
    """The RFC's own example is accepted; another status, key, upgrade or subprotocol is not."""
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer(key)  # RFC 6455, 1.3
    check_response(answer(key), key)
    wrong = [
        answer(key).replace(b"101", b"200"),
        answer(key).replace(b"HTTP", b"SSH"),
        answer("another"),
        answer(key, Sec_WebSocket_Protocol=""),
        answer(key, Sec_WebSocket_Protocol="mqttv3.1"),
        answer(key, Upgrade="h2c"),
        b"",
    ]
    for header in wrong:
        with pytest.raises(WebsocketError):
            check_response(header, key)
    assert b"Host: [::1]:8083\r\n" in request("::1", 8083, "/mqtt", key, secure=False)
    assert b"Host: broker\r\n" in request("broker", 443, "/mqtt", key, secure=True)
    assert response_end(b"HTTP/1.1 101\r\n\r\nxy") == 16
    with pytest.raises(WebsocketError, match="longer"):
        response_end(bytes(20_000))


def test_nothing_is_lost_when_the_socket_takes_little_at_a_time() -> None:
    """A full socket: `send` says BlockingIOError until its frame is out; pings meanwhile are answered between frames."""
    ours, theirs = socket.socketpair()
    for one in (ours, theirs):
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    link = WebsocketLink(ours, unmasked(b"early"))
    assert link.recv(100) == b"early"
    data = bytes(i & 255 for i in range(300_000))
    got = bytearray()
    left, pinged = data, 0
    for _ in range(100_000):
        if not left:
            break
        try:
            left = left[link.send(left) :]
        except BlockingIOError:
            if pinged < 5:
                pinged += 1
                theirs.send(unmasked(b"p%d" % pinged, 9))
                with pytest.raises(BlockingIOError):
                    link.recv(100)
            got += theirs.recv(65_536)
    with suppress(BlockingIOError):  # nothing more is there
        while more := theirs.recv(65_536):
            got += more
    payload, pongs = b"", []
    rest = bytes(got)
    while rest:
        opcode, content, rest = decode_masked(rest)
        if opcode == 2:
            payload += content
        else:
            pongs.append((opcode, content))
    assert payload == data
    assert pongs == [(10, b"p%d" % n) for n in range(1, 6)]
    link.close()
    assert decode_masked(theirs.recv(100))[:2] == (8, b"\x03\xe8")
    theirs.close()


def test_peer_is_cut_off_when_it_pings_and_reads_nothing() -> None:
    """What answers to pings may take is bounded."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        link = WebsocketLink(ours)

        def flooded() -> bool:
            theirs.send(unmasked(bytes(125), 9) * 100)
            try:
                link.recv(65_536)
            except BlockingIOError:
                return False
            except ConnectionError:
                return True
            return False

        await until(flooded, 10)
        link.close()
        theirs.close()

    asyncio.run(main())
