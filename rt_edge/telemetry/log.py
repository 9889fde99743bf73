"""Logs: structlog and the standard library's logging, one line a record, to stderr; secrets do not get through.

Under systemd each line begins with `<N>`, the syslog level that journald understands (sd-daemon(3)), and has no time: journald
has one. Elsewhere a line begins with the time (UTC) and the level. `json` writes one object a line.

    configure("info", clock)           once in each process; again after something replaced the handlers
    log = get_logger("uplink")
    log.info("link up", peer="up-a.example:1900")
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from rt_edge.data.clock import Clock, SystemClock
from rt_edge.data.text import visible

if "rich" in sys.modules:
    import structlog
else:
    # structlog's development renderer, which is not used here, loads rich where it is installed: 5 MiB in every process
    sys.modules["rich"] = None  # type: ignore[assignment]  # makes `import rich` raise ImportError
    try:
        import structlog
    finally:
        del sys.modules["rich"]

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "text", "json", "journal"]

LINE_MAX = 8_000
"""A longer line is cut."""

MASK = "***"

_SYSLOG = {"critical": 2, "error": 3, "exception": 3, "warning": 4, "info": 6, "debug": 7}
_SECRET_KEY = re.compile(r"(pass(word|wd|phrase)?|secret|token|credential|api_?key|private_?key|authorization)\Z", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*):[^\s/@]+@")
_PLAIN = re.compile(r"[^\s\"=\\]+\Z")

Event = MutableMapping[str, Any]


def get_logger(name: str, **fields: object) -> Any:
    """A logger; `name` and `fields` are in every line."""
    return structlog.get_logger(component=name, **fields)


def is_journal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `stream` is connected to journald: systemd says device and inode of the stream in JOURNAL_STREAM."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def configure(level: Level = "info", form: Format = "auto", *, clock: Clock | None = None, stream: TextIO | None = None) -> None:
    """Send all logs of this process to `stream`; may be called again. Every handler of the root logger is replaced.

    Args:
        level: least level written.
        form: `auto`: `journal` under systemd, `text` elsewhere.
        clock: for the time of a line.
        stream: default: stderr as it is at this moment.
    """
    out = sys.stderr if stream is None else stream
    chosen = ("journal" if is_journal(out) else "text") if form == "auto" else form
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _Stamp(clock or SystemClock()) if chosen != "journal" else _no_stamp,
        structlog.processors.format_exc_info,
        redact,
    ]
    render = structlog.processors.JSONRenderer(default=str) if chosen == "json" else _Line(journal=chosen == "journal")
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _cut, render],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(number)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=_RootLogger(),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=False,  # a process may configure again
    )


class _RootLogger:
    def __call__(self, *_args: Any) -> logging.Logger:
        return logging.getLogger()


class _Stamp:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def __call__(self, _logger: Any, _method: str, event: Event) -> Event:
        now = datetime.fromtimestamp(self.clock.wall_ns() / 1e9, UTC)
        event["time"] = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return event


def _no_stamp(_logger: Any, _method: str, event: Event) -> Event:
    return event


def redact(_logger: Any, _method: str, event: Event) -> Event:
    """Mask values of keys that are named like secrets, and passwords in URLs, at any depth that is shown."""
    for key, value in event.items():
        event[key] = MASK if _SECRET_KEY.search(key) and value is not None else _clean(value, 0)
    return event


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _URL_PASSWORD.sub(rf"\1:{MASK}@", value) if "://" in value else value
    if depth > 4:
        return "..."
    if isinstance(value, Mapping):
        return {k: MASK if _SECRET_KEY.search(str(k)) else _clean(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(v, depth + 1) for v in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _clean(str(value), depth)


def _cut(_logger: Any, _method: str, event: Event) -> Event:
    for key, value in event.items():
        if isinstance(value, str) and len(value) > LINE_MAX:
            event[key] = value[:LINE_MAX] + "..."
    return event


class _Line:
    """`<6>uplink: link up peer=up-a.example:1900` or `2026-01-02T03:04:05.678Z info    uplink: link up ...`; always one line."""

    def __init__(self, *, journal: bool) -> None:
        self.journal = journal

    def __call__(self, _logger: Any, _method: str, event: Event) -> str:
        level = str(event.pop("level", "info"))
        text = str(event.pop("event", ""))
        name = event.pop("component", "") or event.pop("logger", "")
        time = event.pop("time", "")
        trace = str(event.pop("exception", ""))
        head = f"<{_SYSLOG.get(level, 6)}>" if self.journal else f"{time} {level:<7} "
        fields = "".join(f" {key}={_value(value)}" for key, value in event.items())
        lines = f"{name}: {text}{fields}" if name else f"{text}{fields}"
        if trace:
            lines += f" exception={_value(trace)}"
        return head + visible(lines)


def _value(value: Any) -> str:
    text = str(value)
    if _PLAIN.match(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
