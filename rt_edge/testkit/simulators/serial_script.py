r"""A serial instrument of one's own, from a small YAML file: what it says by itself, and what it answers.

    baud: 9600                     # its line has this speed; default 9600
    delimiter: "\r"                # requests end with it; default "\r"
    state: {sp: 20.0}              # what named groups remember, at first
    says: ["ST,{weight:+09.3f} kg\r\n"]          # in turn, as often as --every says
    waves: {weight: {middle: 12.5, swing: 2.5, period: 60s}}
    answers:
      - request: '#01T\?'          # a regular expression for the whole request, without the delimiter
        reply: ">01{temperature:+06.2f}\r"
        after: 20ms
      - {request: '#01S(?P<sp>[0-9.]+)', reply: ">01OK\r"}
      - {request: '#01S\?', reply: ">01{sp}\r"}
    adapters: {bath: {kind: serial, poll: {...}}}               # printed for the node's configuration; `port` is put in

Names in texts: those of `state`, `waves`, of groups of the request, `count` (of what it sent) and `seconds` (since its start).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rt_edge.data.errors import ConfigError
from rt_edge.data.units import parse_duration

MOST_BYTES = 1_000_000
"""Of a script."""


class Wave(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that swings: middle, swing to both sides, and how long a period is."""

    middle: float = 0.0
    swing: float = 1.0
    period: str | int | float = "60s"
    """A duration; a bare number is read, so that it can be refused in our words."""


class AnswerRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is answered to requests that match."""

    request: str
    reply: str = ""
    after: str | int | float = "0s"
    """A duration, as above."""


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file; see above."""

    baud: int = 9600
    delimiter: str = "\r"
    state: dict[str, str | int | float] = {}
    says: list[str] = []
    waves: dict[str, Wave] = {}
    answers: list[AnswerRule] = []
    adapters: dict[str, dict[str, Any]] = {}


def load_script(path: Path) -> Script:
    """Read a script.

    Raises:
        ConfigError: it cannot be read, is no such file, or names what it does not have; with the place.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{path} is longer than {MOST_BYTES:,} bytes")
        data = YAML(typ="safe", pure=True).load(path.read_text())
        script = msgspec.convert(data, Script)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8: {error.reason}") from None
    except YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}", "see `rt_edge/testkit/simulators/serial_script.py`") from None
    _check(path, script)
    return script


def _check(path: Path, script: Script) -> None:
    if not script.says and not script.answers:
        raise ConfigError(f"{path}: an instrument without `says` and `answers` does nothing")
    if not script.delimiter or not 50 <= script.baud <= 4_000_000:
        raise ConfigError(f"{path}: `delimiter` is empty, or `baud` is not 50 to 4000000")
    for name, wave in script.waves.items():
        try:
            if parse_duration(wave.period) <= 0:
                raise ConfigError(f"must be more than 0, not {wave.period!r}")
        except ConfigError as error:
            raise ConfigError(f"{path}: waves > {name} > period: {error.message}", error.hint) from None
    instrument = ScriptedInstrument(script)
    for number, rule in enumerate(script.answers):
        at = f"{path}: answers > {number + 1}"
        try:
            groups = re.compile(rule.request).groupindex
            parse_duration(rule.after)
        except re.error as error:
            raise ConfigError(f"{at} > request is no regular expression: {error}") from None
        except ConfigError as error:
            raise ConfigError(f"{at} > after: {error.message}", error.hint) from None
        instrument.names.update(groups)
    for at, text in [*((f"says > {n + 1}", t) for n, t in enumerate(script.says)), *_replies(script)]:
        try:
            unknown = [name for _, name, _, _ in Formatter().parse(text) if name is not None and name not in instrument.names]
            text.encode("latin-1")
        except (ValueError, UnicodeEncodeError) as error:
            raise ConfigError(f"{path}: {at}: {error}", "{{ and }} are braces that are sent") from None
        if unknown:
            raise ConfigError(f"{path}: {at}: {{{unknown[0]}}} is not known", f"there are {', '.join(sorted(instrument.names))}")


def _replies(script: Script) -> list[tuple[str, str]]:
    return [(f"answers > {n + 1} > reply", rule.reply) for n, rule in enumerate(script.answers)]


class ScriptedInstrument:
    """What an instrument of a script says and answers; pure but for what it remembers.

    Args:
        script: from `load_script`.

    Attributes:
        names: known in texts, without groups of requests.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.names = {"count", "seconds", *script.state, *script.waves}
        self._state: dict[str, str | int | float] = dict(script.state)
        self._rules = [(_pattern(rule.request), rule) for rule in script.answers]
        self._count = 0

    def says(self, seconds: float) -> bytes:
        """The next of what it says by itself, `seconds` after its start."""
        texts = self.script.says
        return self._made(texts[self._count % len(texts)], seconds, {})

    def answer(self, request: bytes, seconds: float) -> tuple[float, bytes] | None:
        """Seconds until its reply, and the reply; None: it does not know the request, or says nothing to it."""
        text = request.decode("latin-1")
        for pattern, rule in self._rules:
            match = pattern.fullmatch(text) if pattern is not None else None
            if match is not None:
                groups = {name: found for name, found in match.groupdict().items() if found is not None}
                self._state.update(groups)
                reply = self._made(rule.reply, seconds, groups)
                return (float(parse_duration(rule.after)), reply) if reply else None
        return None

    def _made(self, text: str, seconds: float, groups: Mapping[str, str]) -> bytes:
        waves = {
            name: wave.middle + wave.swing * math.sin(2 * math.pi * seconds / parse_duration(wave.period))
            for name, wave in self.script.waves.items()
        }
        names: dict[str, Any] = {**self._state, **waves, **groups, "count": self._count, "seconds": seconds}
        self._count += 1
        try:
            return text.format_map(names).encode("latin-1", "replace")
        except (ValueError, KeyError, TypeError):  # a format that does not fit what was set: an instrument would say so
            return b"?" + self.script.delimiter.encode("latin-1", "replace")


def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text)
    except re.error:  # said by `load_script`
        return None
