"""What is installed: the two packages, their data, their doors; and the same from a source archive."""

from __future__ import annotations

import configparser
import subprocess
import sys
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def build(source: Path, kind: str, into: Path) -> Path:
    """Build a wheel or an sdist with the hatchling that is installed: no network, no isolation."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", into],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the working tree."""
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive of the working tree."""
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


def names(wheel: Path) -> set[str]:
    """The files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def entry_points(wheel: Path) -> configparser.RawConfigParser:
    """The entry points of a wheel: group -> name -> target."""
    parser = configparser.RawConfigParser(delimiters=("=",))
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        parser.read_string(archive.read(path).decode())
    return parser


def test_wheel_holds_two_packages_when_built(wheel: Path) -> None:
    """rt_edge and adapters, and beside them only metadata and shared data."""
    tops = {name.split("/")[0] for name in names(wheel)}
    assert {top for top in tops if not top.endswith((".dist-info", ".data"))} == {"rt_edge", "adapters"}


def test_wheel_holds_every_module_when_built(wheel: Path) -> None:
    """Every file of the two packages is in the wheel, with py.typed, and nothing else is."""
    found = (path for top in ("rt_edge", "adapters") for path in (ROOT / top).rglob("*") if path.is_file())
    there = {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}
    assert {name for name in names(wheel) if name.startswith(("rt_edge/", "adapters/"))} == there
    assert "rt_edge/py.typed" in there


def test_wheel_carries_units_examples_and_licence_when_built(wheel: Path) -> None:
    """The systemd files and the example configurations land in share/rt-edge; the licence goes along."""
    held = names(wheel)
    shared = {name.partition(".data/data/share/rt-edge/")[2] for name in held if ".data/data/" in name}
    wanted = {f"{folder}/{path.name}" for folder in ("systemd", "config") for path in (ROOT / folder).iterdir() if path.is_file()}
    assert "systemd/rt-edge.service" in wanted
    assert shared == wanted
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)


def test_adapters_are_announced_when_their_folder_has_an_adapter(wheel: Path) -> None:
    """The entry points rt_edge.adapters are the folders of adapters/ that hold an adapter.py, no more and no fewer."""
    announced = dict(entry_points(wheel)["rt_edge.adapters"])
    assert set(announced) == {path.parent.name for path in (ROOT / "adapters").glob("*/adapter.py")}


def test_doors_open_when_each_entry_point_is_loaded(wheel: Path) -> None:
    """Every announced adapter, and the command, is an object that can be imported."""
    parser = entry_points(wheel)
    for group in ("console_scripts", "rt_edge.adapters"):
        for name, target in parser[group].items():
            assert callable(EntryPoint(name, target, group).load()), f"{name} = {target}"


def test_sdist_builds_the_same_wheel_when_unpacked(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    """A wheel made of the source archive has the same files with the same content."""
    (tmp_path / "source").mkdir()
    subprocess.run(["tar", "-xf", sdist, "-C", tmp_path / "source"], check=True)  # tarfile of 3.11.2 knows no filter
    (source,) = (tmp_path / "source").iterdir()
    again = build(source, "wheel", tmp_path / "again")
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert {i.filename: i.CRC for i in first.infolist()} == {i.filename: i.CRC for i in second.infolist()}


def test_sdist_has_the_pages_of_the_top_level_when_built(sdist: Path) -> None:
    """Who unpacks the source archive finds the README, the changes, how to contribute and the licence."""
    listed = subprocess.run(["tar", "-tf", sdist], check=True, capture_output=True, text=True).stdout.split()
    top = {name.split("/", 1)[1] for name in listed if name.count("/") == 1}
    assert {path.name for path in ROOT.glob("*.md")} | {"LICENSE", "pyproject.toml", "Dockerfile.arm64"} <= top
