"""Settings: what is refused, where, and with which advice; what an instance promises; what two adapters cannot share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.coap import CoapAdapter
from adapters.coap.address import host_address, split_path
from adapters.coap.settings import CoapSettings
from rt_edge.data.errors import ConfigError
from rt_edge.settings.frozen import freeze
from rt_edge.settings.load import load
from rt_edge.settings.validate import melt

HOST = {"url": "coap://10.0.0.1", "resources": {"t": {"path": "/t"}}}
RESOURCES = "resources: {t: {path: /t}}"
IDS = "sender_id: '01', recipient_id: '02'"
TWICE = f"oscore: {{{IDS}, secret: s}}, {RESOURCES}"
LISTEN = {"address": "127.0.0.1:5683", "paths": [{"path": "/push/{device}"}]}


def frozen(**written: Any) -> Any:
    return freeze(melt(CoapSettings.model_validate(written)))


def refusal(tmp_path: Path, body: str) -> list[str]:
    """What `check` says about an adapter of this kind."""
    config = tmp_path / "node.yaml"
    config.write_text("node: {id: a}\nadapters:\n  x:\n    kind: coap\n" + body)
    return [str(error) for error in load(config).errors]


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        ("    listen: {address: '0.0.0.0:5683', paths: [{path: /a}]}\n", "5:23", "nobody has to show a key"),
        ("    listen: {address: '10.0.0.5:5683', paths: [{path: /a}]}\n", "5:23", "127.0.0.1"),
        ("    listen: {address: 'gateway.local:5683', paths: [{path: /a}]}\n", "5:23", "nobody has to show a key"),
        ("    hosts: {h: {url: 'coaps://10.0.0.1', resources: {t: {path: /t}}}}\n", "5:22", "coaps:// needs a key"),
        (f"    hosts: {{h: {{url: 'coap://h', psk: {{identity: a, key: b}}, {RESOURCES}}}}}\n", "psk", "without it"),
        (
            f"    hosts: {{h: {{url: 'coap://h', oscore: {{{IDS[:-1]}xyz', secret: s}}, {RESOURCES}}}}}\n",
            "recipient_id",
            "7 bytes",
        ),
        (
            f"    hosts: {{h: {{url: 'coap://h', oscore: {{{IDS[:-2]}1', secret: s}}, {RESOURCES}}}}}\n",
            "sender_id",
            "the same ID",
        ),
        (
            f"    hosts: {{h: {{url: 'coap://h', {TWICE}}}, i: {{url: 'coap://i', {TWICE}}}}}\n",
            "hosts > i > oscore",
            "used twice",
        ),
        ("    listen: {address: '0.0.0.0:5684', clients: {a: b}, paths: [{path: /a}]}\n", "5:23", "on all addresses"),
        ("    hosts: {h: {url: 'coap://h', resources: {t: {path: /t, min: 3}}}}\n", "min", "none may"),
        ("    hosts: {h: {url: 'coap://h', resources: {t: {path: /t, writable: true}}}}\n", "codec", "add `write_as`"),
        ("    hosts: {h: {url: 'coap://10.0.0.1/t', resources: {t: {path: /t}}}}\n", "5:22", "at the resource"),
        ("    hosts: {h: {url: 'http://10.0.0.1', resources: {t: {path: /t}}}}\n", "5:22", "not the address"),
        ("    hosts: {h: {url: 'coap://h', resources: {t: {path: t}}}}\n", "5:56", "not a path"),
        ("    hosts: {h: {url: 'coap://h', resources: {t: {path: /t, codec: raw, strip: x}}}}\n", "strip", "has no 'strip'"),
        ("    hosts: {h: {url: 'coap://h', resources: {t: {path: /t, codec: json, at: x}}}}\n", "at", "JSON Pointer"),
        ("    listen: {address: '127.0.0.1:1', paths: [{path: '/a/x{b}'}]}\n", "path", "whole segment"),
        ("    listen: {address: '127.0.0.1:1', paths: [{path: '/{a}/{a}'}]}\n", "path", "stands twice"),
        ("    listen: {address: '127.0.0.1:1', paths: [{path: /a}]}\n    hold: 3s\n", "6:11", "a listener has no hold"),
        ("    timeout: 3s\n", "", "neither `hosts` nor `listen`: an adapter asks, or it listens (write `hosts:`"),
        (
            "    hosts: {a: {url: 'coap://h', resources: &r {t: {path: /t}}}, b: {url: 'coap://H:5683', resources: *r}}\n",
            "b",
            "is 'a' already",
        ),
    ],
)
def test_place_and_reason_are_said_when_settings_are_wrong(body: str, place: str, words: str, tmp_path: Path) -> None:
    """Each mistake is one error of `check`, with its place in the file."""
    errors = refusal(tmp_path, body)
    assert len(errors) == 1, errors
    assert words in errors[0]
    assert place in errors[0]


def test_promises_are_those_of_its_side_when_settings_differ() -> None:
    """Pushes are redelivered, polls are polled, one observed resource makes it volatile."""
    polled, pushed = CoapAdapter.capability(frozen(hosts={"h": HOST})), CoapAdapter.capability(frozen(listen=LISTEN))
    assert (polled.delivery, polled.backpressure, polled.window) == ("polled", "native", None)
    assert (pushed.delivery, pushed.backpressure, pushed.window) == ("redelivering", "withhold_ack", 1000)
    observing = {**HOST, "resources": {"t": {"path": "/t", "observe": True}}}
    assert CoapAdapter.capability(frozen(hosts={"h": observing})).delivery == "volatile"


def test_the_address_is_claimed_when_it_is_listened_on() -> None:
    """Two listeners on one port are an error of `check`; asking claims nothing."""
    assert CoapAdapter.claims(frozen(listen=LISTEN)) == {"the UDP address 127.0.0.1:5683": ("listen", "address")}
    assert CoapAdapter.claims(frozen(hosts={"h": HOST})) == {}


def test_addresses_and_paths_are_read_when_they_are_right() -> None:
    """IPv6 in brackets, the registered port, queries and escapes."""
    assert host_address("coap://[fd00::1]") == ("fd00::1", 5683)
    assert host_address("coap://dev.local:61616/") == ("dev.local", 61616)
    assert split_path("/a%2Fb/c?x=1&y") == (("a/b", "c"), ("x=1", "y"))
    assert split_path("/") == ((), ())
    with pytest.raises(ConfigError):
        split_path("/" + "x" * 256)
