"""What commands that look at devices share: settings from --set and --config, a report that grows, and how it is printed."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from rt_edge.cli.output import console, print_json, print_table
from rt_edge.data.clock import Clock, SystemClock
from rt_edge.data.errors import ConfigError
from rt_edge.data.text import visible
from rt_edge.data.units import Duration, Size, show_duration, write_size
from rt_edge.sdk.discovery import Found
from rt_edge.settings.frozen import freeze
from rt_edge.settings.report import Report
from rt_edge.settings.validate import melt, validate
from rt_edge.settings.yaml_text import read_yaml


class LiveReport:
    """See `ScanReport`: keeps what was found, shows how far it is."""

    def __init__(self, shows: bool) -> None:
        self.clock: Clock = SystemClock()
        self.random: Random = SystemRandom()
        self.seen: dict[str, Found] = {}
        self.notes: list[str] = []
        self._shows = shows
        self._advance: Callable[[float, float, str], None] | None = None

    def found(self, found: Found) -> None:
        """See `ScanReport`."""
        self.seen[found.name] = found

    def note(self, text: str) -> None:
        """See `ScanReport`."""
        self.notes.append(text)

    def progress(self, done: float, total: float, doing: str) -> None:
        """See `ScanReport`."""
        if self._advance is not None:
            self._advance(done, total, doing)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """With a progress bar, where somebody looks."""
        if not self._shows:
            yield
            return
        words = TextColumn("{task.description}", markup=False)
        with Progress(words, BarColumn(), console=console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=1)

            def advance(done: float, total: float, doing: str) -> None:
                bar.update(task, completed=done, total=total, description=visible(f"{doing}, {len(self.seen)} found"))

            self._advance = advance
            yield


async def until_done(work: Coroutine[Any, Any, None]) -> bool:
    """Run it; True if Ctrl-C ended it."""
    scan = asyncio.create_task(work, name="scan")
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        scan.cancel()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        await asyncio.wait((scan,))
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    if stopped and scan.cancelled():
        return True
    scan.result()
    return False


def print_found(kind: str, report: LiveReport, ended_early: bool, as_json: bool) -> None:
    """A table or JSON on stdout; notes, and that nothing was found, on stderr where it is no JSON."""
    found = sorted(report.seen.values(), key=lambda one: natural(one.name))
    if as_json:
        listed = [{field: getattr(one, field) for field in one.__struct_fields__} for one in found]
        print_json({"kind": kind, "found": listed, "notes": report.notes, "complete": not ended_early})
    else:
        print_table(("name", "what"), [(one.name, one.what) for one in found])
    if not found and not as_json:
        sys.stderr.write(f"rt-edge: the scan of {kind} found nothing\n")
    for note in report.notes if not as_json else ():
        sys.stderr.write(f"rt-edge: {visible(note)}\n")
    if ended_early and not as_json:
        sys.stderr.write("rt-edge: ended early; the list is not complete\n")


def natural(name: str) -> list[tuple[int, int, str]]:
    """`unit 9` before `unit 10`."""
    return [(0, int(word), "") if word.isascii() and word.isdecimal() else (1, 0, word) for word in name.split(" ")]


def list_settings(model: type[Any], as_json: bool) -> None:
    """What --set takes."""
    rows = [
        (name, " ".join((field.description or "").split()), "" if field.is_required() else _shown(field))
        for name, field in model.model_fields.items()
    ]
    if as_json:
        print_json([{"name": name, "meaning": meaning, "default": default} for name, meaning, default in rows])
    else:
        print_table(("setting", "meaning", "default"), rows)


def _shown(field: Any) -> str:
    """A default as a user would write it: with its unit."""
    default = field.default
    if default is None or hasattr(type(default), "model_fields"):
        return ""
    if isinstance(default, Duration):
        return show_duration(default)
    return write_size(default) if isinstance(default, Size) else str(default)


def put(values: dict[str, Any], text: str) -> None:
    """`tls.ca=/etc/ca.pem` into a mapping of mappings."""
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
    here = values
    for key in keys[:-1]:
        inner = dict(here[key]) if isinstance(here.get(key), dict) else {}
        here[key] = inner
        here = inner
    try:
        here[keys[-1]] = read_yaml(f"value: {value}".encode(), "--set").plain()["value"]
    except ConfigError:
        here[keys[-1]] = value


def from_config(kind: str, config: Path, name: str | None, model: type[Any]) -> dict[str, Any]:
    """Those settings of an adapter that a scan takes too.

    Raises:
        ConfigError: the file cannot be read, or has no such adapter.
    """
    plain = read_yaml(config.read_bytes(), str(config)).plain()
    adapters = plain.get("adapters") if isinstance(plain, dict) else None
    entries = adapters if isinstance(adapters, dict) else {}
    of_kind = {key: entry for key, entry in entries.items() if isinstance(entry, dict) and entry.get("kind") == kind}
    if name is None and len(of_kind) == 1:
        (name,) = of_kind
    if name is None or name not in of_kind:
        hint = f"--adapter {' or '.join(of_kind)}" if of_kind else "the file has none of this kind"
        raise ConfigError(f"{config}: which adapter of kind {kind} is meant?", hint)
    taken = {*model.model_fields, *_also(model)}
    return {key: value for key, value in of_kind[name].items() if key in taken and key != "kind"}


def _also(model: type[Any]) -> Sequence[str]:
    """Settings of an adapter that the model's own validator makes something of (`url` becomes `target`)."""
    return tuple(model.model_computed_fields)


def checked(model: type[Any], values: dict[str, Any]) -> Any:
    """The settings as a scan gets them.

    Raises:
        BadParameter: they are not valid; names each mistake.
    """
    root = read_yaml(json.dumps(values or {"target": None}).encode(), "--set")
    report = Report(root, "--set")
    settings = validate(model, values, (), report)
    if settings is None or report.errors:
        raise typer.BadParameter("; ".join(problem.words for problem in report.errors))
    return freeze(melt(settings))
