"""Every folder of adapters/ keeps the convention that CONTRIBUTING.md describes, and each check catches what it is for."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from rt_edge.sdk.registry import Registry
from rt_edge.settings.load import load
from tests.adapters import folders

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.parent for path in (ROOT / "adapters").glob("*/__init__.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@each_folder
def test_has_what_the_convention_asks_when_a_folder_is_an_adapter(folder: Path) -> None:
    """Files, headings, quality answers, imports and codec are as the convention says."""
    assert [problem for check in folders.ALL for problem in check(folder)] == []


@each_folder
def test_is_tested_by_the_contract_when_a_folder_is_an_adapter(folder: Path) -> None:
    """The contract of all adapters runs against it, and what quality.yaml claims of its tests is there."""
    assert folders.contract_problems(folder, ROOT / "tests" / "adapters" / folder.name) == []


@each_folder
def test_has_a_door_when_a_folder_is_an_adapter(folder: Path) -> None:
    """Its entry point names its class, and an extra of its name brings what it imports."""
    kind = folder.name
    class_name = "".join(part.capitalize() for part in kind.split("_")) + "Adapter"
    assert PROJECT["entry-points"]["rt_edge.adapters"][kind] == f"adapters.{kind}:{class_name}"
    adapter = Registry.installed().load(kind)
    assert (adapter.__name__, adapter.kind) == (class_name, kind)
    foreign = set().union(*(folders.imports(path) for path in folder.glob("*.py")))
    foreign -= folders.EVERYWHERE | sys.stdlib_module_names | {"pydantic"}
    extra = [text.partition(">")[0].partition("=")[0] for text in PROJECT["optional-dependencies"].get(kind, [])]
    brought = {name for name, owners in packages_distributions().items() if set(owners) & set(extra)}
    assert foreign - brought == set()
    assert bool(extra) == bool(foreign)


def test_names_no_adapter_without_a_folder_when_entry_points_are_listed() -> None:
    """Entry points and folders are the same set, and `all` has every extra of theirs."""
    kinds = {folder.name for folder in FOLDERS}
    assert set(PROJECT["entry-points"]["rt_edge.adapters"]) == kinds
    (everything,) = PROJECT["optional-dependencies"]["all"]
    assert {kind for kind in kinds if kind in PROJECT["optional-dependencies"]} == set(
        everything[len("rt-edge[") : -1].split(",")
    )


@each_folder
def test_has_a_sample_that_is_valid_when_a_folder_is_an_adapter(folder: Path, tmp_path: Path) -> None:
    """The sample is without errors in a node, and what it sets is of this kind."""
    config = tmp_path / "node.yaml"
    config.write_text((folder / "sample.yaml").read_text() + "\nnode: {id: a}\n")
    checked = load(config)
    assert [str(error) for error in checked.errors] == []
    assert checked.plan is not None
    assert {adapter.kind for adapter in checked.plan.adapters.values()} == {folder.name}


def _undocumented(model: Any, seen: set[Any]) -> Iterator[str]:
    if isinstance(model, type) and issubclass(model, BaseModel):
        if model in seen:
            return
        seen.add(model)
        for name, field in model.model_fields.items():
            if not field.description:
                yield f"{model.__name__}.{name}"
            yield from _undocumented(field.annotation, seen)
    for part in get_args(model):
        yield from _undocumented(part, seen)


@each_folder
def test_says_what_each_setting_is_when_its_model_is_read(folder: Path) -> None:
    """Every setting has a description, which the schema and the error messages show."""
    adapter = Registry.installed().load(folder.name)
    assert list(_undocumented(adapter.settings_model(), set())) == []


def test_imports_without_its_library_when_no_extra_is_installed() -> None:
    """`import adapters.KIND` needs no extra, and loads no library that a running node does not need."""
    kinds = [folder.name for folder in FOLDERS]
    distributions = packages_distributions()
    extras = {text for kind in kinds for text in PROJECT["optional-dependencies"].get(kind, [])}
    names = {text.partition(">")[0] for text in extras}
    blocked = {module for module, owners in distributions.items() if set(owners) & names} | {"pydantic", "ruamel"}
    assert {"paho", "pymodbus", "serial"} <= blocked
    code = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(name + " is not installed")
sys.meta_path.insert(0, Block())
from importlib import import_module
for kind in {kinds!r}:
    module = import_module("adapters." + kind)
    getattr(module, module.__all__[0]).kind
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def _without_readme(folder: Path) -> None:
    (folder / "README.md").rename(folder / "readme.txt")


def _headings_swapped(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    (folder / "README.md").write_text(text.replace("## Metrics", "## X").replace("## Settings", "## Metrics"))


def _edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return edit


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (_without_readme, folders.missing_files),
        (_headings_swapped, folders.wrong_quality),
        (_edit("sample.yaml", "every:", "evry:"), folders.wrong_quality),
        (_edit("quality.yaml", "  contract-tested: done\n", ""), folders.wrong_quality),
        (_edit("quality.yaml", "contract-tested: done", "contract-tested: maybe"), folders.wrong_quality),
        (_edit("quality.yaml", "exempt: there is no connection", 'exempt: ""'), folders.wrong_quality),
        (_edit("quality.yaml", "rules:\n", "rules:\n  pretty: done\n"), folders.wrong_quality),
        (_edit("adapter.py", "import asyncio\n", "import asyncio\nimport paho.mqtt.client\n"), folders.misplaced_imports),
        (_edit("adapter.py", "import asyncio\n", "import asyncio\nimport pydantic\n"), folders.misplaced_imports),
        (_edit("codec.py", "from __future__ import annotations\n", "import socket\n"), folders.codec_with_io),
    ],
)
def test_is_found_when_a_folder_breaks_the_convention(
    damage: Callable[[Path], None], check: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    """Each check passes an adapter as it is and catches what it is for."""
    folder = tmp_path / "simulated"
    shutil.copytree(ROOT / "adapters" / "simulated", folder)
    assert check(folder) == []
    damage(folder)
    assert len(check(folder)) >= 1


def test_is_found_when_nothing_tests_an_adapter(tmp_path: Path) -> None:
    """A folder of tests without the contract, and without a cut connection, does not pass."""
    (tmp_path / "test_x.py").write_text("def test_x() -> None: ...\n")
    assert len(folders.contract_problems(ROOT / "adapters" / "mqtt", tmp_path)) == 2
