"""The section `adapters`: each entry by the settings model of its kind."""

from __future__ import annotations

import logging
from typing import Any, cast, get_args

from rt_edge.data.errors import ConfigError
from rt_edge.sdk.registry import BROKEN_HINT, Registry, broken
from rt_edge.sdk.runner import Startup
from rt_edge.settings.draft import CheckedAdapter
from rt_edge.settings.frozen import freeze, secrets_in
from rt_edge.settings.places import Path
from rt_edge.settings.report import Report
from rt_edge.settings.validate import melt, validate
from rt_edge.settings.wording import describe
from rt_edge.streams.model import nearest_hint

log = logging.getLogger(__name__)

COMMON = {
    "kind": "Kind of adapter; `rt-edge adapters` lists them.",
    "island": "Name of the process it shares with others; without: one of its own.",
    "startup": "If it cannot be opened when the node starts: `retry` (the default: the node runs meanwhile), "
    "`fail` (the node ends), `ignore` (it stays off), `probe` (as ignore, and the device has to answer).",
}
"""Keys that every adapter has, with their meaning; a settings model cannot use them."""


def read_adapter(name: str, value: Any, registry: Registry, report: Report) -> CheckedAdapter | None:
    """One entry of `adapters`; None after reporting every error."""
    path: Path = ("adapters", name)
    if not isinstance(value, dict):
        report.error(path, f"must be a mapping, not {describe(value)}", "it needs `kind` and the settings of that kind")
        return None
    kind = value.get("kind")
    if not isinstance(kind, str):
        near = next((key for key in value if key.lower() in {"type", "kinds", "protocol"}), None)
        hint = f"did you mean `kind` instead of `{near}`?" if near else f"known: {', '.join(registry.kinds())}"
        report.error((*path, "kind"), "`kind` is missing" if kind is None else f"must be a text, not {describe(kind)}", hint)
        return None
    if registry.entry(kind) is None:
        report.error((*path, "kind"), f"there is no adapter kind {kind!r}", nearest_hint(kind, registry.kinds()))
        return None
    try:
        return _read(name, kind, value, registry, report)
    except ConfigError as error:
        report.error((*path, "kind"), error.message, error.hint)
    except Exception as error:  # validators and `capability` are code of others: one broken kind is one error
        log.debug("adapter kind %s is broken", kind, exc_info=error)
        report.error((*path, "kind"), f"adapter kind {kind!r} is broken: {broken(error)}", BROKEN_HINT)
    return None


def _read(name: str, kind: str, value: dict[Any, Any], registry: Registry, report: Report) -> CheckedAdapter | None:
    path: Path = ("adapters", name)
    adapter, model = registry.load(kind), registry.model(kind)
    own = {key: inner for key, inner in value.items() if key not in COMMON}
    before = len(report.errors)
    startup = _startup(value.get("startup", "retry"), path, report)
    settings = validate(model, own, path, report)
    if settings is None or len(report.errors) > before:
        return None
    data = melt(settings)
    frozen = freeze(data)
    for where, secret in secrets_in(frozen):
        if secret.is_literal:
            report.warn((*path, *where), "a secret stands in the file itself", "write {file: PATH} or {env: NAME}")
    registry.check_extra(kind, adapter, frozen)
    try:
        capability = adapter.capability(frozen)
    except ConfigError as error:
        report.error(path, error.message, error.hint)
        return None
    island = value.get("island")
    return CheckedAdapter(kind, adapter, data, frozen, capability, island if isinstance(island, str) else None, startup)


def _startup(value: Any, path: Path, report: Report) -> Startup:
    if value not in get_args(Startup):
        known = ", ".join(get_args(Startup))
        hint = nearest_hint(value, get_args(Startup)) if isinstance(value, str) else ""
        report.error((*path, "startup"), f"{describe(value)} is not one of {known}", hint)
        return "retry"
    return cast(Startup, value)
