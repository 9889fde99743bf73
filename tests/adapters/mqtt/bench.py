"""What the tests of the running adapter share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.mqtt import MqttAdapter
from adapters.mqtt.settings import MqttSettings
from rt_edge.testkit.adapter_harness import AdapterHarness

CLIENT = ["paho"]
"""The client where a test names none; `both_clients` changes it."""


@pytest.fixture(params=["paho", "fast"])
def both_clients(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run with each client behind the seam."""
    monkeypatch.setattr(sys.modules[__name__], "CLIENT", [request.param])


def harness(port: int, folder: Path, name: str = "hub", **settings: Any) -> AdapterHarness:
    """An adapter on 127.0.0.1:port; subscribes to `t/#` with raw text unless told otherwise."""
    folder.mkdir(exist_ok=True)
    if "publish" not in settings:
        settings.setdefault("subscribe", [{"filter": "t/#", "codec": "raw", "type": "str"}])
    settings.setdefault("client", CLIENT[0])
    url = settings.pop("url", f"mqtt://127.0.0.1:{port}")
    return AdapterHarness(MqttAdapter, MqttSettings.model_validate({"url": url, **settings}), folder, name)


def values(h: AdapterHarness) -> list[Any]:
    """The field `value` of every Reading."""
    return [reading.fields["value"] for reading in h.readings]
