"""Settings: the sample, the errors, and what a running adapter gets."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from adapters.mqtt import MqttAdapter
from adapters.mqtt.settings import MqttSettings
from rt_edge.settings.frozen import freeze
from rt_edge.settings.load import load as load_file
from rt_edge.settings.validate import melt
from rt_edge.testkit.adapter_harness import AdapterHarness

FOLDER = Path(__file__).resolve().parents[3] / "adapters" / "mqtt"
SUBSCRIBE = [{"filter": "t/#"}]


WRITABLE = {"writable": True, "topic": "x"}


def load(**more: Any) -> MqttSettings:
    return MqttSettings.model_validate({"url": "mqtt://b", "subscribe": SUBSCRIBE, **more})


def sample(text: str) -> dict[str, Any]:
    settings = dict(YAML(typ="safe").load(text)["adapters"]["broker"])
    assert settings.pop("kind") == "mqtt"
    return settings


def test_sample_is_valid_and_names_every_key_when_uncommented() -> None:
    """The sample loads as it stands and with its defaults uncommented, and then no key of the model is missing from it."""
    text = (FOLDER / "sample.yaml").read_text()
    MqttSettings.model_validate(sample(text))
    full = sample(re.sub(r"^(\s*)# ", r"\1", text, flags=re.MULTILINE))
    MqttSettings.model_validate(full)
    assert set(full) == set(MqttSettings.model_fields)
    defaults = MqttSettings.model_validate({"url": "mqtt://b", "subscribe": SUBSCRIBE, "window_messages": 2000})
    for key in ("version", "session", "session_expiry", "window_messages", "inbox", "keepalive", "timeout", "max_packet"):
        assert getattr(MqttSettings.model_validate(full), key) == getattr(defaults, key), key


def test_running_adapter_needs_only_attributes_when_it_gets_frozen_settings(tmp_path: Path) -> None:
    """What a node hands to the adapter after validation is enough for it."""
    frozen = freeze(melt(MqttSettings.model_validate(sample((FOLDER / "sample.yaml").read_text()))))
    assert (frozen.host, frozen.port, frozen.overlap) == ("broker.local", 8883, False)
    capability = MqttAdapter.capability(frozen)
    assert (capability.delivery, capability.backpressure, capability.window) == ("redelivering", "withhold_ack", 2000)
    assert AdapterHarness(MqttAdapter, frozen, tmp_path).adapter is not None


@pytest.mark.parametrize(
    ("more", "delivery", "backpressure", "window"),
    [
        ({}, "redelivering", "withhold_ack", 2000),
        ({"window_messages": 7}, "redelivering", "withhold_ack", 7),
        ({"version": "3.1.1"}, "redelivering", "withhold_ack", 20),
        ({"session": "clean"}, "volatile", "withhold_ack", 2000),
        ({"subscribe": [{"filter": "a"}, {"filter": "b", "qos": 0}]}, "volatile", "bounded_drop", 2000),
    ],
)
def test_capability_is_truthful_when_settings_promise_less(
    more: dict[str, Any], delivery: str, backpressure: str, window: int
) -> None:
    """One QoS 0 subscription or a clean session makes the adapter volatile."""
    said = MqttAdapter.capability(load(**more))
    assert (said.delivery, said.backpressure, said.window) == (delivery, backpressure, window)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"url": "http://b"}, "not the address of an MQTT broker"),
        ({"url": "mqtt://u:p@b"}, "user and password do not belong into the url"),
        ({"url": "mqtt://b:99999"}, "not an address"),
        ({"version": "4"}, "'5' or '3.1.1'"),
        ({"password": "x"}, "a password without a user name"),
        ({"subscribe": []}, "would do nothing"),
        ({"subscribe": [{"filter": "a"}, {"filter": "a"}]}, "stands twice"),
        ({"subscribe": [{"filter": "a/#/b"}]}, "only at the end"),
        ({"subscribe": [{"qos": 1}]}, "neither filter nor topic"),
        ({"subscribe": [{"filter": "a/+", "topic": "b/{x}"}]}, "does not fit"),
        ({"subscribe": [{"topic": "a/x-{y}"}]}, "whole level"),
        ({"subscribe": [{"topic": "a/{x}", "device": "{y}"}]}, "device uses 'y'"),
        ({"subscribe": [{"filter": "a", "codec": "raw", "time": "ts"}]}, "codec raw has no 'time'"),
        ({"subscribe": [{"filter": "a", "at": "data"}]}, "JSON Pointer"),
        ({"subscribe": [{"filter": "a", "codec": "csv", "delimiter": "::"}]}, "one character"),
        ({"subscribe": [{"filter": "a", "qos": 3}]}, "0, 1 or 2"),
        ({"version": "3.1.1", "subscribe": [{"filter": "$share/g/a"}]}, "no shared subscriptions"),
        ({"publish": {"topic": "a/{nope}"}}, "unknown name in braces"),
        ({"publish": {"topic": "a/+"}}, "not a topic to publish to"),
        ({"keepalive": "1s"}, "greater than or equal to 5"),
        ({"window_messages": 70_000}, "less than or equal to 65535"),
        ({"tls": {"key": "/k"}}, "a key without a certificate"),
        ({"unknown": 1}, "Extra inputs"),
        ({"url": "mqtt://b/path"}, "mqtt:// has no path and no query"),
        ({"url": "ws://b/a b"}, "a path with characters"),
        ({"url": "ws://b/#x"}, "user and password do not belong"),
        ({"tls": {"alpn": ["mqtt", ""]}}, "no name of a protocol"),
        ({"subscribe": [{"filter": "a", "codec": "protobuf"}]}, "needs to know the type"),
        (
            {"subscribe": [{"filter": "a", "codec": "protobuf", "descriptors": "/x", "message": "m", "field": "f"}]},
            "has no 'field'",
        ),
        ({"subscribe": [{"filter": "a", "codec": "protobuf", "descriptors": __file__, "message": "m"}]}, "field"),
        ({"subscribe": [{"filter": "plant/#", "codec": "sparkplug"}]}, "takes other topics than Sparkplug B's"),
        ({"subscribe": [{"filter": "$share/g/spBv1.0/#", "codec": "sparkplug"}]}, "cannot be shared"),
        ({"subscribe": [{"filter": "spBv1.0/#", "codec": "sparkplug", "device": "x"}]}, "says itself what its topics mean"),
        ({"subscribe": [{"filter": "a", "tags": {"x": "user."}}]}, "no property is called 'user.'"),
        ({"subscribe": [{"topic": "a/{x}", "tags": {"x": "content_type"}}]}, "the topic template names 'x' too"),
        ({"subscribe": [{"filter": "$share/g/a", "no_local": True}]}, "without its own messages"),
        ({"subscribe": [{"filter": "a", "answer": {"topics": "a#"}}]}, "stand alone in their level"),
        ({"version": "3.1.1", "subscribe": [{"filter": "a", "tags": {"x": "content_type"}}]}, "MQTT 3.1.1 has no properties"),
        ({"version": "3.1.1", "publish": {"expiry": "1h"}}, "MQTT 3.1.1 has no properties"),
        ({"version": "3.1.1", "will": {"topic": "a", "payload": "", "delay": "1s"}}, "MQTT 3.1.1 has no properties"),
        ({"version": "3.1.1", "points": {"a/b": {**WRITABLE, "confirm": "response"}}}, "MQTT 3.1.1 has no properties"),
        ({"publish": {"user_properties": {"x": "{y}"}}}, "unknown name in braces"),
        ({"response_topic": "a/#"}, "not a topic to publish to"),
        ({"points": {"a b": WRITABLE}}, "String should match pattern"),
        ({"points": {"a/b": {"writable": True}}}, "without a topic to write to"),
        ({"points": {"a/b": {"topic": "x"}}}, "no command may"),
        ({"points": {"a/b": {}}}, "neither written nor read"),
        ({"points": {"a/b": {**WRITABLE, "confirm": "state"}}}, "a state that is not named"),
        ({"points": {"a/b": {**WRITABLE, "payload": "{val}"}}}, "stands for nothing"),
        ({"points": {"a/b": {**WRITABLE, "payload": '{"v": {value}}'}}}, "stands for nothing"),
        ({"points": {"a/b": {**WRITABLE, "on": "x", "off": "x"}}}, "written alike"),
        ({"points": {"a/b": {**WRITABLE, "type": "str", "min": 1}}}, "a point of str has no min"),
        ({"points": {"a/b": {**WRITABLE, "min": 2, "max": 1}}}, "no value is within"),
        ({"points": {"a/b": {**WRITABLE, "max": 1, "allowed": [2]}}}, "allowed: the point takes"),
        ({"points": {"a/b": {**WRITABLE, "at": "x"}}}, "JSON Pointer"),
    ],
)
def test_settings_name_the_mistake_when_they_are_wrong(more: dict[str, Any], says: str) -> None:
    """Each mistake a person makes is one sentence."""
    with pytest.raises(ValidationError, match=re.escape(says)):
        load(**more)


def test_adapter_loads_neither_paho_nor_pydantic_when_imported() -> None:
    """A node that only reckons with the adapter pays for neither."""
    code = "import sys, adapters.mqtt; sys.exit(bool({'paho', 'pydantic', 'ruamel.yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parents[1], check=False).returncode == 0


def test_paho_is_imported_in_one_module_when_the_folder_is_searched() -> None:
    """Another client library is one module away."""
    importers = [f.name for f in FOLDER.glob("*.py") if re.search(r"^\s*(from|import) paho", f.read_text(), re.MULTILINE)]
    assert importers == ["paho_client.py"]


def test_paho_brings_no_http_when_the_transport_is_imported() -> None:
    """It would cost every process of a node 1 MiB; who wants `urllib.request` afterwards gets the real one."""
    code = (
        "import sys, adapters.mqtt.transport\n"
        "print(sorted({'urllib.request', 'http.client', 'email'} & set(sys.modules)))\n"
        "import urllib.request; print(urllib.request.Request.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parents[1], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "Request"]


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("url: mqtt://b, client_id: one", "url: 'mqtt://B:1883', client_id: one", True),
        ("url: mqtt://b, client_id: one", "url: mqtts://b, client_id: one", False),
        ("url: mqtt://b, client_id: one", "url: mqtt://b, client_id: two", False),
        ("url: mqtt://b", "url: mqtt://b", False),
    ],
)
def test_one_client_id_in_two_adapters_is_an_error_when_it_is_one_broker(
    tmp_path: Path, first: str, second: str, clash: bool
) -> None:
    """They would end each other's connection for ever; made-up ids and other brokers do not clash."""
    file = tmp_path / "node.yaml"
    file.write_text(
        "node: {id: a, data: d}\nadapters:\n"
        f"  x: {{kind: mqtt, {first}, subscribe: [{{filter: t}}]}}\n  y: {{kind: mqtt, {second}, subscribe: [{{filter: t}}]}}\n"
    )
    assert [(error.path, error.message) for error in load_file(file).errors] == (
        [("adapters > y > client_id", "the client id 'one' at b:1883 is used by the adapters 'x' and 'y'")] if clash else []
    )


def test_url_says_how_to_connect() -> None:
    """Scheme, port and path: what each of them means when it is left out."""
    shown = {
        url: (found.port, found.secure, found.websocket)
        for url in ("mqtt://b", "mqtts://b", "ws://b", "wss://b/", "ws://[::1]:8083/x?y=1")
        for found in [load(url=url)]
    }
    assert shown == {
        "mqtt://b": (1883, False, None),
        "mqtts://b": (8883, True, None),
        "ws://b": (80, False, "/mqtt"),
        "wss://b/": (443, True, "/mqtt"),
        "ws://[::1]:8083/x?y=1": (8083, False, "/x?y=1"),
    }
