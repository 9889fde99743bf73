"""`rt-edge adapters`: the kinds of adapters that are installed, or could be."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import resources
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from rt_edge.cli.errors import ExitCode
from rt_edge.cli.output import JsonFlag, print_json, print_table
from rt_edge.data.errors import ConfigError
from rt_edge.sdk.adapter import Capability, DeviceAdapter
from rt_edge.sdk.registry import AdapterEntry, Registry, broken
from rt_edge.settings.adapters import COMMON
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt
from rt_edge.settings.yaml_text import read_yaml


class Kind(NamedTuple):
    """One kind, as listed."""

    kind: str
    summary: str
    capability: Capability | None
    installed: bool
    install: str
    package: str
    problem: str = ""


DEMAND = {
    "native": "not asked without demand",
    "withhold_ack": "not acknowledged without demand",
    "bounded_drop": "dropped within a bound, counted",
}
"""How demand reaches the wire, in words."""


def command(
    check: Annotated[
        list[str] | None,
        typer.Option("--check", help="For authors: check the package of this kind (or `all`) against the rules for adapters."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the kinds of adapters: what each is for, what it promises, and how to install what it needs.

    Delivery: redelivering (the peer sends again what was not acknowledged), polled or volatile. Demand: what happens to the
    device when nobody asks. Both are those of the adapter's sample settings; some depend on them (MQTT at QoS 0 is volatile).

    \b
    Example:
        rt-edge adapters --json
        rt-edge adapters --check all
    """
    registry = Registry.installed()
    if check:
        _check(registry, registry.kinds() if "all" in check else check, as_json)
        return
    kinds = [describe_kind(entry) for kind in registry.kinds() if (entry := registry.entry(kind)) is not None]
    if as_json:
        print_json([_data(kind) for kind in kinds])
        return
    rows = []
    for kind in kinds:
        can = kind.capability
        words = (can.delivery, DEMAND[can.backpressure], "yes" if can.writable else "no") if can else ("-", "-", "-")
        state = "installed" if kind.installed else kind.install or kind.problem
        rows.append((kind.kind, kind.summary, *words, state))
    print_table(("kind", "what", "delivery", "demand", "writable", "state"), rows)
    if not kinds:
        sys.stderr.write("rt-edge: no adapters are installed (pip install 'rt-edge[all]')\n")


def _check(registry: Registry, kinds: Sequence[str], as_json: bool) -> None:
    """Every problem of the kinds' packages, each with file, line and column; exit code 3 if there is one."""
    from rt_edge.testkit.adapter_quality import check_folder

    problems = []
    for kind in kinds:
        adapter = registry.load(kind)
        with resources.as_file(resources.files(adapter.__module__.rpartition(".")[0])) as folder:
            problems += check_folder(folder, adapter)
    if as_json:
        print_json([{"place": str(p.place), "path": p.path, "message": p.message, "hint": p.hint} for p in problems])
    else:
        for problem in problems:
            sys.stdout.write(f"{problem}\n")
        if not problems:
            sys.stdout.write(f"ok: {', '.join(kinds)}\n")
    if problems:
        raise typer.Exit(ExitCode.CONFIGURATION)


def describe_kind(entry: AdapterEntry) -> Kind:
    """What there is to say about a kind; never raises for an adapter that cannot be imported."""
    try:
        adapter = entry.load()
    except Exception as error:  # noqa: BLE001 - code of others: the list goes on
        return Kind(entry.kind, "", None, False, entry.install, entry.package, f"cannot be imported: {broken(error)}")
    summary = (adapter.__doc__ or "").strip().split("\n", 1)[0]
    return Kind(entry.kind, summary, sample_capability(adapter), entry.installed, entry.install, entry.package)


def sample_capability(adapter: type[DeviceAdapter]) -> Capability | None:
    """What the adapter promises with its first sample settings, or with none, and writable if any sample is; None if there are no
    valid ones."""
    try:
        model = adapter.settings_model()
        samples = _samples(adapter) or [{}]
        promises = [adapter.capability(freeze(melt(model.model_validate(settings)))) for settings in samples]
    except Exception:  # noqa: BLE001 - of a broken or not installed adapter: the list goes on
        return None
    return msgspec.structs.replace(promises[0], writable=any(promise.writable for promise in promises))


def _samples(adapter: type[DeviceAdapter]) -> list[dict[str, Any]]:
    """The settings in its sample.yaml; none if there is none that can be read."""
    package = adapter.__module__.rpartition(".")[0]
    try:
        data = resources.files(package).joinpath("sample.yaml").read_bytes()
        entries = read_yaml(data, "sample.yaml").plain()["adapters"]
        return [
            {key: value for key, value in entry.items() if key not in ("kind", *COMMON)}
            for entry in entries.values()
            if entry.get("kind") == adapter.kind
        ]
    except (OSError, ImportError, ConfigError, KeyError, TypeError, ValueError, AttributeError):
        return []


def _data(kind: Kind) -> dict[str, Any]:
    promise = kind.capability
    capability = None
    if promise is not None:
        capability = {field: getattr(promise, field) for field in promise.__struct_fields__}
    return {**kind._asdict(), "capability": capability}
