"""`rt-edge scan coap`: the resources of libcoap's server, and the link format."""

from __future__ import annotations

import asyncio
import json

import pytest

from adapters.coap.scan import MAX_LINKS, parse_links
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
