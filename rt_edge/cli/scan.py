"""`rt-edge scan KIND`: what is there to be read: ports, units, topics, resources, devices in the air."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from rt_edge.cli.output import JsonFlag
from rt_edge.cli.scan_run import LiveReport, checked, from_config, list_settings, print_found, put, until_done
from rt_edge.data.errors import ConfigError
from rt_edge.sdk.registry import Registry
from rt_edge.streams.model import nearest_hint


def command(
    kind: Annotated[str, typer.Argument(help="What is scanned: serial, modbus, mqtt, coap, ble.")],
    target: Annotated[str | None, typer.Argument(help="Where: a port, HOST[:PORT], mqtt://..., coap://..., hci0.")] = None,
    duration: Annotated[str | None, typer.Option("--for", help="How long, where the kind listens: 30s.")] = None,
    given: Annotated[list[str] | None, typer.Option("--set", help="One setting: baud=9600, tls.ca=/etc/ca.pem.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Take settings from an adapter of this configuration.")] = None,
    adapter: Annotated[str | None, typer.Option("--adapter", help="Which adapter of --config; default: the only one.")] = None,
    settings: Annotated[bool, typer.Option("--settings", help="List what --set takes for this kind, and leave.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Look what is there, without changing anything. Ctrl-C ends early and prints what was found until then.

    \b
    Examples:
        rt-edge scan serial
        rt-edge scan modbus /dev/serial/by-id/usb-FTDI_0001 --set baud=9600 --set parity=none --set units=1-32
        rt-edge scan mqtt mqtts://broker.local --for 1min --config edge.yaml
    """
    registry = Registry.installed()
    if registry.entry(kind) is None:
        raise typer.BadParameter(f"there is no adapter kind {kind!r}; {nearest_hint(kind, registry.kinds())}", param_hint="KIND")
    cls = registry.load(kind)
    model = cls.scan_model()
    if model is None:
        able = [name for name in registry.kinds() if _can_scan(registry, name)]
        raise typer.BadParameter(f"kind {kind!r} cannot scan; {', '.join(able)} can", param_hint="KIND")
    if settings:
        list_settings(model, as_json)
        return
    values = from_config(kind, config, adapter, model) if config is not None else {}
    if adapter is not None and config is None:
        raise typer.BadParameter("--adapter names an adapter of --config FILE", param_hint="--adapter")
    for text in given or ():
        put(values, text)
    if target is not None:
        values["target"] = target
    if duration is not None:
        if "duration" not in model.model_fields:
            raise typer.BadParameter(f"a scan of {kind} has an end of its own", param_hint="--for")
        values["duration"] = duration
    report = LiveReport(sys.stderr.isatty() and not as_json)
    with report.shown():
        ended_early = asyncio.run(until_done(cls.scan(checked(model, values), report)))
    print_found(kind, report, ended_early, as_json)


def _can_scan(registry: Registry, kind: str) -> bool:
    try:
        return registry.load(kind).scan_model() is not None
    except ConfigError:  # not installed
        return False
