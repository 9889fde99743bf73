"""Kinds of adapters: found without importing them, refused with what to install."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.sdk import DeviceAdapter
from rt_edge.sdk import registry as module
from rt_edge.sdk.registry import AdapterEntry, Registry


class Thing(DeviceAdapter):
    """A thing."""

    kind = "thing"


def _broken() -> Any:
    raise ImportError("no module named radiolib")


def test_imports_nothing_when_it_is_made() -> None:
    """Listing the kinds does not load one; a broken kind disturbs only who uses it."""
    registry = Registry(
        [AdapterEntry("thing", lambda: Thing), AdapterEntry("broken", _broken, "some-package", "pip install x[y]")]
    )
    assert registry.kinds() == ("broken", "thing")
    assert registry.load("thing") is Thing
    with pytest.raises(ConfigError, match=r"cannot be imported: no module named radiolib \(pip install x\[y\]\)"):
        registry.load("broken")


def test_names_both_packages_when_they_bring_one_kind() -> None:
    """Two distributions with one kind are an error at start, not a matter of order."""
    with pytest.raises(ConfigError, match="brought by two packages: a and b"):
        Registry([AdapterEntry("x", lambda: Thing, "a"), AdapterEntry("x", lambda: Thing, "b")])


def test_has_the_nearest_kind_when_one_is_unknown() -> None:
    """An unknown kind is an error with what there is."""
    with pytest.raises(ConfigError, match="did you mean 'thing'"):
        Registry.of({"thing": Thing}).load("thingy")


def test_refuses_an_entry_point_when_it_is_no_adapter() -> None:
    """What an entry point leads to has to be a DeviceAdapter."""
    with pytest.raises(ConfigError, match="is not a DeviceAdapter"):
        Registry([AdapterEntry("x", lambda: dict)]).load("x")  # type: ignore[arg-type, return-value]


def _install(folder: Path, requires: str) -> None:
    info = folder / "rt_edge_adapter_radio-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: rt-edge-adapter-radio\nVersion: 1.0\nProvides-Extra: radio\n{requires}"
    )
    (info / "entry_points.txt").write_text("[rt_edge.adapters]\nradio = rt_edge_adapter_radio:Radio\n")


@pytest.mark.parametrize(
    ("requires", "missing"),
    [
        ("Requires-Dist: radiolib>=2; extra == 'radio'\n", ("radiolib",)),
        ('Requires-Dist: msgspec[yaml]<9,>=0.1 ; python_version > "3" and extra == "radio"\n', ()),
        ("Requires-Dist: otherlib; extra == 'other'\nRequires-Dist: alwayslib\n", ()),
    ],
)
def test_knows_what_is_missing_when_an_extra_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requires: str, missing: tuple[str, ...]
) -> None:
    """A third party's distribution is found by its entry point, and what its extra lacks by its metadata."""
    _install(tmp_path, requires)
    monkeypatch.syspath_prepend(tmp_path)
    entry = Registry.installed().entry("radio")
    assert entry is not None
    assert (entry.package, entry.install, entry.missing) == (
        "rt-edge-adapter-radio",
        "pip install rt-edge-adapter-radio[radio]",
        missing,
    )
    assert entry.installed == (not missing)


def test_works_without_a_distribution_when_an_entry_point_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point made by hand has no metadata to look at."""
    point = EntryPoint("x", "rt_edge.sdk:DeviceAdapter", module.GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    assert Registry.installed().load("x") is DeviceAdapter


class Lean(Thing):
    """Does with `client: own` without its library."""

    @classmethod
    def needs_extra(cls, settings: Any | None) -> bool:
        return settings is not None and settings != "own"


def test_kind_is_refused_only_where_its_settings_need_what_is_missing() -> None:
    """One that does without for some settings is loaded; the others, and one that cannot be imported, say what to install."""
    lacks: Any = {"package": "p", "install": "pip install p[x]", "missing": ("radiolib",)}
    registry = Registry([AdapterEntry(kind, load, **lacks) for kind, load in (("lean", lambda: Lean), ("thing", lambda: Thing))])
    assert registry.load("lean") is Lean
    registry.check_extra("lean", Lean, "own")
    with pytest.raises(ConfigError, match=r"'lean' needs radiolib, not installed here \(pip install p\[x\]\)"):
        registry.check_extra("lean", Lean, "library")
    for load in (lambda: Thing, _broken):
        with pytest.raises(ConfigError, match="'thing' needs radiolib, not installed here"):
            Registry([AdapterEntry("thing", load, **lacks)]).load("thing")
    Registry.of({"thing": Thing}).check_extra("thing", Thing, "library")
