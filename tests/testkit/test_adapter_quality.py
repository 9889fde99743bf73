"""What is wrong with an adapter's folder is said with file, line and column."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from adapters.simulated import SimulatedAdapter
from rt_edge.sdk.quality import RULES
from rt_edge.sdk.settings import Settings
from rt_edge.testkit.adapter_quality import check_folder

SIMULATED = Path(__file__).resolve().parents[2] / "adapters" / "simulated"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SIMULATED, tmp_path / "simulated"))


def lines(folder: Path) -> list[str]:
    return [str(problem).removeprefix(f"{folder}/") for problem in check_folder(folder, SimulatedAdapter)]


def test_nothing_is_said_when_all_is_as_it_should_be(folder: Path) -> None:
    """The model for authors keeps the rules."""
    assert lines(folder) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  bounded: done", "  bounded: todo", "3:12: rules > bounded: 'todo' is no answer (write `done` or `{exempt: WHY}`)"),
        ("  bounded: done", "  buonded: done", "3:3: rules > buonded: there is no rule 'buonded' (did you mean 'bounded'?)"),
        (
            "exempt: there is no connection",
            'exempt: ""',
            "12:30: rules > reconnect-tested > exempt: exempt without a reason (say why in a few words)",
        ),
        (
            "  write: done",
            "  write: {exempt: it is not needed}",
            "16:3: rules > write: write is exempt, but SimulatedAdapter has a `write`",
        ),
        (
            "  probe: {exempt: there is no device that could answer}",
            "  probe: done",
            "15:10: rules > probe: probe is done, but SimulatedAdapter has no `probe`",
        ),
    ],
)
def test_an_answer_is_refused_with_its_place_when_it_is_not_one(folder: Path, old: str, new: str, said: str) -> None:
    """`todo`, unknown rules, no reason, and what the class itself contradicts."""
    path = folder / "quality.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert lines(folder)[0] == f"quality.yaml:{said}"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("[done]", "3:3: rules > bounded: ['done'] is no answer"),
        ("[exempt]", "3:3: rules > bounded: ['exempt'] is no answer"),
        ("\n    - exempt", "3:3: rules > bounded: ['exempt'] is no answer"),
        ("3", "3:12: rules > bounded: 3 is no answer"),
        ("1.5", "3:12: rules > bounded: 1.5 is no answer"),
        ("true", "3:12: rules > bounded: True is no answer"),
        ("", "3:3: rules > bounded: None is no answer"),
        ("{}", "3:3: rules > bounded: {} is no answer"),
        (
            "{exempt: nothing waits here, why: it}",
            "3:3: rules > bounded: {'exempt': 'nothing waits here', 'why': 'it'} is no answer",
        ),
    ],
)
def test_place_is_said_when_an_answer_is_of_another_kind(folder: Path, answer: str, said: str) -> None:
    """A list (also of the very word), a number, nothing, and a mapping with more than a reason."""
    path = folder / "quality.yaml"
    path.write_text(path.read_text().replace("  bounded: done", f"  bounded: {answer}"))
    assert lines(folder) == [f"quality.yaml:{said} (write `done` or `{{exempt: WHY}}`)"]


@pytest.mark.parametrize("reason", ["[nothing waits here]", "12", "{why: nothing waits here}"])
def test_place_is_said_when_a_reason_is_no_text(folder: Path, reason: str) -> None:
    """A list, a number, a mapping."""
    path = folder / "quality.yaml"
    path.write_text(path.read_text().replace("  bounded: done", f"  bounded: {{exempt: {reason}}}"))
    (line,) = lines(folder)
    assert re.fullmatch(r"quality.yaml:3:\d+: rules > bounded > exempt: exempt without a reason \(.*\)", line)


@pytest.mark.parametrize(
    ("text", "at"),
    [("[done]\n", "1:1: "), ("3\n", "1:1: "), ("rules: [bounded]\n", "1:1: rules: "), ("rules: 3\n", "1:8: rules: ")],
)
def test_place_is_said_when_there_are_no_answers(folder: Path, text: str, at: str) -> None:
    """The file, or its `rules`, is a list or a number."""
    (folder / "quality.yaml").write_text(text)
    assert lines(folder) == [f"quality.yaml:{at}`rules` is missing or no mapping (write `rules:` and a line a rule)"]


def test_each_rule_is_asked_for_when_none_is_answered(folder: Path) -> None:
    """An empty list of answers gets a line a rule, which says what the rule asks."""
    (folder / "quality.yaml").write_text("rules: {}\n")
    said = lines(folder)
    assert len(said) == len(RULES)
    assert said[0].startswith("quality.yaml:1:1: rules: the rule demand-respected is not answered (Never more Readings")


def test_place_is_said_when_a_heading_is_out_of_order_or_missing(folder: Path) -> None:
    """The README has the same headings in every adapter."""
    path = folder / "README.md"
    text = path.read_text()
    path.write_text(text.replace("## Metrics", "## X").replace("## Delivery guarantee", "## Metrics"))
    count = len(text.splitlines())
    assert lines(folder)[0] == f"README.md:{count}:1: the heading `## Delivery guarantee` is missing"
    assert any("`## Backpressure` is out of order" in line for line in lines(folder))


def test_place_is_said_when_the_sample_is_not_valid(folder: Path) -> None:
    """A setting of sample.yaml that does not exist has its line."""
    path = folder / "sample.yaml"
    path.write_text(path.read_text().replace("devices: 3", "devcies: 3"))
    (line,) = lines(folder)
    assert line.startswith("sample.yaml:6:5: adapters > machine > devcies: unknown key 'devcies'")


class LooseSettings(Settings):
    """Of an adapter whose author knows the units."""

    ring: int = 1000
    """How many are kept."""
    pallets: int = 4
    """How many there are."""


class LooseScan(Settings):
    """What its scan can be told."""

    speed: float = 1.0
    """How fast."""


class LooseAdapter(SimulatedAdapter):
    """Numbers without a unit."""

    @classmethod
    def settings_model(cls) -> type[Settings]:
        """Two."""
        return LooseSettings

    @classmethod
    def scan_model(cls) -> type[Settings]:
        """One."""
        return LooseScan


def test_place_is_said_when_a_number_has_no_unit_in_its_name(folder: Path) -> None:
    """Of the settings and of the scan; an author's own unit is one if quality.yaml says so, and no reason is needed for it."""
    (folder / "sample.yaml").write_text("adapters: {x: {kind: simulated}}\n")
    said = "quality.yaml:5:24: rules > settings-have-units: no unit in the name of: "
    assert [str(one).removeprefix(f"{folder}/").partition(" (")[0] for one in check_folder(folder, LooseAdapter)] == [
        f"{said}LooseSettings.ring, LooseSettings.pallets, LooseScan.speed"
    ]
    path = folder / "quality.yaml"
    path.write_text(path.read_text() + "units: [pallets]\n")
    assert [str(one).removeprefix(f"{folder}/").partition(" (")[0] for one in check_folder(folder, LooseAdapter)] == [
        f"{said}LooseSettings.ring, LooseScan.speed"
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("unit: [pallets]\n", "17:1: unit: unknown key 'unit' (did you mean 'units'?)"),
        ("units: pallets\n", "17:8: units: 'pallets' are no units (write words of small letters, like [pallets, litres])"),
    ],
)
def test_place_is_said_when_own_units_are_none(folder: Path, more: str, said: str) -> None:
    """Another key, and what is no list of words."""
    path = folder / "quality.yaml"
    path.write_text(path.read_text() + more)
    assert lines(folder) == [f"quality.yaml:{said}"]
