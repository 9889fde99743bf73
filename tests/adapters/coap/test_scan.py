"""`rt-edge scan coap`: the resources of libcoap's server, and the link format."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from aiocoap.message import Message
from aiocoap.numbers.codes import CONTENT
from aiocoap.numbers.types import NON

from adapters.coap.links import MAX_LINKS, parse_links
from rt_edge.cli.app import main
from rt_edge.sdk import CodecError
from rt_edge.testkit.command_line import command
from tests.adapters.coap.peers import LibcoapServer


def test_resources_of_libcoap_are_listed_when_it_is_asked() -> None:
    """`/time` of Debian's coap-server can be observed; the command prints it with what to write into a configuration."""

    async def run() -> str:
        async with LibcoapServer() as server:
            return await command("scan", "coap", f"127.0.0.1:{server.port}", "--json")

    said = json.loads(asyncio.run(asyncio.wait_for(run(), 30)))
    time = {found["name"]: found for found in said["found"]}["/time"]
    assert time["settings"] == {"path": "/time", "observe": True}
    assert time["details"]["parameters"]["title"] == "Internal Clock"
    assert said["complete"] is True


def test_nobody_there_is_one_line_when_the_port_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and why."""
    assert main(["scan", "coap", "127.0.0.1:9", "--for", "1s", "--set", "retransmits=0"]) == 1
    assert "127.0.0.1:9" in capsys.readouterr().err


def test_links_are_read_when_they_are_as_in_the_rfc() -> None:
    """The examples of RFC 6690, 5, and parameters with commas and quotes in them."""
    text = '</sensors>;ct=40;title="Sensor, \\"Index\\"",'
    text += '</sensors/temp>;rt="temperature-c";if="sensor";obs,</t>;anchor="/s";rel=alternate'
    assert parse_links(text) == [
        ("/sensors", {"ct": "40", "title": 'Sensor, "Index"'}),
        ("/sensors/temp", {"rt": "temperature-c", "if": "sensor", "obs": ""}),
        ("/t", {"anchor": "/s", "rel": "alternate"}),
    ]
    assert parse_links("") == []
    assert len(parse_links(",".join(["</a>"] * (MAX_LINKS + 5)))) == MAX_LINKS
    for wrong in ("nonsense", "</a> b", "</a>;=x,</b>", "<a"):
        with pytest.raises(CodecError, match="at character"):
            parse_links(wrong)


class Node(asyncio.DatagramProtocol):
    """A device by hand: it hears the question to all on the loopback interface, and answers from an address of its own, twice."""

    def __init__(self, own: socket.socket) -> None:
        self.own = own
        self.asked: list[Message] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        question = Message.decode(data)
        self.asked.append(question)
        answer = Message(code=CONTENT, payload=b'</temp>;rt="temperature-c";obs,</.well-known/core>;ct=40')
        answer.mtype, answer.mid, answer.token = NON, 7, question.token
        for data_out in (b"\x00", _other(answer), answer.encode(), answer.encode()):
            self.own.sendto(data_out, addr)


def _other(answer: Message) -> bytes:
    """To somebody else's question."""
    return answer.copy(token=b"other", mtype=NON, mid=8, payload=b"</no>").encode()


def test_all_nodes_of_an_interface_are_found_when_one_asks_them() -> None:
    """Not confirmable, twice, to 224.0.1.187; who answers twice counts once; other tokens and garbage count for nothing."""

    async def run() -> tuple[str, Node, int]:
        loop, index = asyncio.get_running_loop(), socket.if_nametoindex("lo")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as group:
            own.bind(("127.0.0.1", 0))
            group.bind(("224.0.1.187", 0))
            member = socket.inet_aton("224.0.1.187") + socket.inet_aton("127.0.0.1") + index.to_bytes(4, "little")
            group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            group.setblocking(False)
            transport, node = await loop.create_datagram_endpoint(lambda: Node(own), sock=group)
            port = str(group.getsockname()[1])
            said = await command("scan", "coap", "--set", "interface=lo", "--set", f"port={port}", "--for", "300ms", "--json")
            transport.close()
            await asyncio.sleep(0)
            return said, node, own.getsockname()[1]

    said, node, port = asyncio.run(asyncio.wait_for(run(), 30))
    (found,) = json.loads(said)["found"]
    assert found["name"] == f"coap://127.0.0.1:{port}"
    assert found["settings"] == {"url": f"coap://127.0.0.1:{port}"}
    assert list(found["details"]["resources"]) == ["/temp"]
    assert [question.mtype for question in node.asked] == [NON, NON]
    assert node.asked[0].opt.uri_path == (".well-known", "core")


def test_the_interfaces_are_named_when_there_is_no_such_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1; neither host nor interface is a matter of usage."""
    assert main(["scan", "coap", "--set", "interface=nope0", "--for", "1s"]) == 1
    assert "there are lo" in capsys.readouterr().err
    assert main(["scan", "coap"]) == 2
    assert "interface=eth0" in capsys.readouterr().err
