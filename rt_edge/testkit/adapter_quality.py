"""Whether an adapter's folder is what the convention asks: quality.yaml, README.md, sample.yaml, and what of it can be proved.

`rt-edge adapters --check` shows it, for third parties' adapters as for ours.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from rt_edge.data.errors import ConfigError
from rt_edge.sdk.adapter import DeviceAdapter
from rt_edge.sdk.numbers import without_unit
from rt_edge.sdk.quality import HEADINGS, REASON_MIN, RULES
from rt_edge.settings.places import Place, Problem
from rt_edge.settings.report import Report
from rt_edge.settings.validate import validate
from rt_edge.settings.yaml_text import read_yaml
from rt_edge.settings.yaml_tree import YamlRefused
from rt_edge.streams.model import nearest_hint

FILES = ("README.md", "sample.yaml", "quality.yaml")
ANSWER = "write `done` or `{exempt: WHY}`"

HAVE_UNITS = "settings-have-units"


class Answers(NamedTuple):
    """Of a quality.yaml."""

    rules: dict[str, Any]
    """Rule -> `done` or `{exempt: WHY}`."""
    units: frozenset[str] = frozenset()
    """Last words of names of settings that are units, beside those of `rt_edge.sdk.numbers`."""


def check_folder(folder: Path, adapter: type[DeviceAdapter]) -> list[Problem]:
    """Every problem of an adapter's folder, with its place.

    Args:
        folder: where its modules are.
        adapter: its class.
    """
    problems = [Problem(Place(str(folder / name)), "", "the file is missing") for name in FILES if not (folder / name).is_file()]
    if problems:
        return problems
    answers, problems = read_quality(folder / "quality.yaml")
    problems += wrong_headings(folder / "README.md")
    problems += wrong_sample(folder / "sample.yaml", adapter)
    return problems + _disproved(folder / "quality.yaml", answers, adapter)


def read_quality(path: Path) -> tuple[Answers, list[Problem]]:
    """What a quality.yaml answers, and what is wrong with it: unknown rules, missing ones, answers without a reason."""
    try:
        root = read_yaml(path.read_bytes(), str(path))
    except YamlRefused as error:
        return Answers({}), list(error.problems)
    report = Report(root, str(path))
    rules = root.child("rules")
    if rules is None or not isinstance(rules.plain(), dict):
        at = ("rules",) if rules is not None else ()
        report.error(at, "`rules` is missing or no mapping", "write `rules:` and a line a rule")
        return Answers({}), report.errors
    for key in root.plain():
        if key not in Answers._fields:
            report.error((key,), f"unknown key {key!r}", nearest_hint(str(key), Answers._fields), key=True)
    answers: dict[str, Any] = rules.plain()
    for name, answer in answers.items():
        if name not in RULES:
            report.error(("rules", name), f"there is no rule {name!r}", nearest_hint(str(name), RULES), key=True)
        else:
            _judge(name, answer, report)
    for name, text in RULES.items():
        if name not in answers:
            report.error(("rules",), f"the rule {name} is not answered", f"{text} {ANSWER[0].upper()}{ANSWER[1:]}", key=True)
    return Answers(answers, _own_units(root.plain().get("units", []), report)), report.errors


def _own_units(words: Any, report: Report) -> frozenset[str]:
    right = isinstance(words, list) and all(isinstance(word, str) and re.fullmatch("[a-z]+", word) for word in words)
    if not right:
        report.error(("units",), f"{words!r} are no units", "write words of small letters, like [pallets, litres]")
    return frozenset(words) if right else frozenset()


def _judge(name: str, answer: Any, report: Report) -> None:
    if answer == "done":
        return
    if not (isinstance(answer, dict) and list(answer) == ["exempt"]):
        report.error(("rules", name), f"{answer!r} is no answer", ANSWER)
        return
    reason = answer["exempt"]
    if not isinstance(reason, str) or len(reason.strip()) < REASON_MIN:
        report.error(("rules", name, "exempt"), "exempt without a reason", "say why in a few words")


def wrong_headings(path: Path) -> list[Problem]:
    """Fixed headings of a README that are missing or out of order."""
    lines = path.read_text().splitlines()
    found = [(number, line[3:].strip()) for number, line in enumerate(lines, 1) if re.match(r"## ", line)]
    problems = [
        Problem(Place(str(path), len(lines) or 1, 1), "", f"the heading `## {heading}` is missing")
        for heading in HEADINGS
        if heading not in [text for _, text in found]
    ]
    fixed = [(number, text) for number, text in found if text in HEADINGS]
    last = -1
    for number, text in fixed:
        at = HEADINGS.index(text)
        if at <= last:
            order = ", ".join(HEADINGS)
            problems.append(Problem(Place(str(path), number, 1), "", f"`## {text}` is out of order", f"the order is: {order}"))
        last = max(at, last)
    return problems


def wrong_sample(path: Path, adapter: type[DeviceAdapter]) -> list[Problem]:
    """What is wrong with the settings of sample.yaml, which is a piece of a node's configuration."""
    try:
        root = read_yaml(path.read_bytes(), str(path))
    except YamlRefused as error:
        return list(error.problems)
    report = Report(root, str(path))
    whole = root.plain()
    entries = whole.get("adapters") if isinstance(whole, dict) else None
    named = entries.items() if isinstance(entries, dict) else ()
    ours = {name: entry for name, entry in named if isinstance(entry, dict) and entry.get("kind") == adapter.kind}
    if not ours:
        report.error((), f"no adapter of the kind {adapter.kind!r}", "write `adapters: {NAME: {kind: ...}}`")
    for name, entry in ours.items():
        own = {key: value for key, value in entry.items() if key not in ("kind", "island", "startup")}
        validate(adapter.settings_model(), own, ("adapters", name), report)
    return report.errors


def _disproved(path: Path, answers: Answers, adapter: type[DeviceAdapter]) -> list[Problem]:
    """Answers that the class itself contradicts."""
    rules = answers.rules
    written = {"write": "write", "claims-declared": "claims", "probe": "probe"}
    problems = []
    for rule, method in written.items():
        has = getattr(adapter, method) is not getattr(DeviceAdapter, method)
        own = getattr(getattr(adapter, method), "__func__", None) is not getattr(getattr(DeviceAdapter, method), "__func__", None)
        has = own if rule == "claims-declared" else has
        if rule in rules and (rules[rule] == "done") is not has:
            said = f"{rule} is done, but {adapter.__name__} has no `{method}`"
            other = f"{rule} is exempt, but {adapter.__name__} has a `{method}`"
            problems.append(_at(path, rule, said if rules[rule] == "done" else other))
    numbers = numbers_without_unit(adapter, answers.units)
    if numbers and rules.get(HAVE_UNITS) == "done":
        hint = "end the name in the unit, like window_messages, offset_bytes; one of your own: `units: [pallets]` in quality.yaml"
        problems.append(_at(path, HAVE_UNITS, f"no unit in the name of: {', '.join(numbers)}", hint))
    return problems


def numbers_without_unit(adapter: type[DeviceAdapter], own: frozenset[str] = frozenset()) -> list[str]:
    """`Model.field` of each number without a unit in its name, of the settings, the scan and the tools.

    Args:
        adapter: a kind.
        own: last words of names that are units, too.
    """
    scan = adapter.scan_model()
    models = [adapter.settings_model(), *([scan] if scan is not None else []), *(tool.model for tool in adapter.tools().values())]
    return list(dict.fromkeys(name for model in models for name in without_unit(model, own)))


def _at(path: Path, rule: str, message: str, hint: str = "") -> Problem:
    try:
        report = Report(read_yaml(path.read_bytes(), str(path)), str(path))
    except ConfigError as error:
        return Problem(Place(str(path)), "", error.message)
    report.error(("rules", rule), message, hint)
    return report.errors[0]
