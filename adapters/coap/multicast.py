"""Who is there: one question to all CoAP nodes of a network (RFC 7252, 8; RFC 7390), and what each answers.

aiocoap's clients take one answer to a question; this is a socket of its own with aiocoap's codec.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from aiocoap import error
from aiocoap.message import Message
from aiocoap.numbers.codes import CONTENT, GET
from aiocoap.numbers.types import NON

from adapters.coap.links import LINK_FORMAT, found_links, parse_links
from rt_edge.sdk import CodecError, FatalAdapterError, Found, ScanReport, TransientError

GROUPS = {socket.AF_INET: "224.0.1.187", socket.AF_INET6: "ff02::fd"}
"""All CoAP Nodes (RFC 7252, 12.8); of IPv6 those on the link."""
TIMES = 2
"""The question is not confirmable: it is asked as often, and who answers twice counts once."""
MAX_HOSTS = 1000


async def scan_network(settings: Any, report: ScanReport) -> None:
    """Ask all nodes on an interface for their resources, and tell `report` each node.

    Args:
        settings: a `CoapScan`, or an object with its attributes, with an `interface`.
        report: who is told.

    Raises:
        FatalAdapterError: there is no such interface.
        TransientError: nothing can be sent on it.
    """
    try:
        index = socket.if_nametoindex(settings.interface)
    except OSError:
        there = ", ".join(name for _, name in socket.if_nameindex())
        raise FatalAdapterError(f"there is no interface {settings.interface!r}", f"there are {there}") from None
    answers = _Answers(settings.port, report)
    sockets, problem = [], ""
    for family in GROUPS:
        try:
            sockets.append(await _open(family, index, answers))
        except OSError as refused:
            problem = (refused.strerror or str(refused)).lower()
    try:
        if not sum(answers.ask(transport, family, index) for transport, family in sockets):
            raise TransientError(f"nothing can be sent to all nodes on {settings.interface}: {problem or answers.problem}")
        for number in range(1, TIMES + 1):
            report.progress(number - 1, TIMES, f"listening on {settings.interface}")
            await asyncio.sleep(settings.duration / TIMES)
            if number < TIMES:
                for transport, family in sockets:
                    answers.ask(transport, family, index)
    finally:
        for transport, _ in sockets:
            transport.abort()
    if not answers.heard:
        report.note("nobody answered: many devices do not listen for questions to all; ask one by its address")


async def _open(family: socket.AddressFamily, index: int, answers: _Answers) -> tuple[Any, socket.AddressFamily]:
    one = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET:
            one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("@4s4si", b"", b"", index))
            one.bind(("0.0.0.0", 0))  # noqa: S104  # answers come from anywhere on the link; nothing but them is taken
        else:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            one.bind(("::", 0))
        one.setblocking(False)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: answers, sock=one)
    except BaseException:
        one.close()
        raise
    return transport, family


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, port: int, report: ScanReport) -> None:
        self._port, self._report = port, report
        self._token = report.random.randbytes(8)
        self._mid = report.random.randrange(65_536)
        self.heard: set[str] = set()
        self.problem = ""

    def ask(self, transport: Any, family: socket.AddressFamily, index: int) -> bool:
        """Send the question; whether it could be."""
        message = Message(code=GET)
        message.mtype, message.mid, message.token = NON, self._mid, self._token
        self._mid = (self._mid + 1) % 65_536
        message.opt.uri_path, message.opt.accept = (".well-known", "core"), LINK_FORMAT
        group = GROUPS[family]
        to = (group, self._port) if family == socket.AF_INET else (group, self._port, 0, index)
        self.problem = ""
        transport.sendto(message.encode(), to)
        return not self.problem

    def error_received(self, exc: Exception) -> None:
        self.problem = str(exc)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        try:
            message = Message.decode(data)
        except (error.UnparsableMessage, ValueError, AssertionError):
            return
        if message.token != self._token or message.code.is_request() or len(self.heard) >= MAX_HOSTS:
            return
        host = f"[{addr[0]}]" if ":" in addr[0] else addr[0]
        url = f"coap://{host}" if addr[1] == 5683 else f"coap://{host}:{addr[1]}"
        if url not in self.heard:
            self.heard.add(url)
            self._report.found(_found(url, message))


def _found(url: str, message: Message) -> Found:
    if message.code is not CONTENT:
        return Found(url, f"is there; answers {message.code}", {"code": str(message.code)})
    block = message.opt.block2
    partly = block is not None and block.more
    try:
        text = message.payload.decode()
        links = parse_links(text[: text.rindex(",")] if partly and "," in text else text)
    except (CodecError, UnicodeDecodeError):
        return Found(url, "is there; its list cannot be read", {})
    resources = {one.name: one for one in found_links(links)}
    words = f"{len(resources)} resources{' and more' if partly else ''}: {' '.join(list(resources)[:8])}"
    return Found(url, words, {"resources": {name: one.details for name, one in resources.items()}, "more": partly}, {"url": url})
