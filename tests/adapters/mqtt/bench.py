"""What the tests of the running adapter share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapters.mqtt import MqttAdapter
from adapters.mqtt.settings import MqttSettings
from rt_edge.testkit.adapter_harness import AdapterHarness


def harness(port: int, folder: Path, name: str = "hub", **settings: Any) -> AdapterHarness:
    """An adapter on 127.0.0.1:port; subscribes to `t/#` with raw text unless told otherwise."""
    folder.mkdir(exist_ok=True)
    if "publish" not in settings:
        settings.setdefault("subscribe", [{"filter": "t/#", "codec": "raw", "type": "str"}])
    url = settings.pop("url", f"mqtt://127.0.0.1:{port}")
    return AdapterHarness(MqttAdapter, MqttSettings.model_validate({"url": url, **settings}), folder, name)


def values(h: AdapterHarness) -> list[Any]:
    """The field `value` of every Reading."""
    return [reading.fields["value"] for reading in h.readings]
