"""The repository keeps the rules of the house, and each rule catches what it is for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tidy import rules

ROOT = Path(__file__).resolve().parents[2]
CODE = ("rt_edge", "adapters")
EVERYTHING = (*CODE, "tests", "benchmarks", "scripts", "config", "systemd", "docs", ".ci")
TOP = ("README.md", "CONTRIBUTING.md", "Dockerfile.arm64", "pyproject.toml")
CLOCK = Path("rt_edge/data/clock.py")
STAGES = ("rt_edge/streams/stages", "rt_edge/streams/hubs", "rt_edge/streams/pubsub")


def files(*folders: str, suffix: str = ".py") -> Iterator[Path]:
    """The files under these folders, relative to the root; an empty suffix: all files."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob(f"*{suffix}")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT)


def findings(rule: Callable[[str], list[str]], paths: Iterator[Path]) -> list[str]:
    """What a rule says about files, as `path:line: what`; the files must not be none at all."""
    seen = list(paths)
    assert seen
    return [f"{path}:{found}" for path in seen for found in rule((ROOT / path).read_text(encoding="utf-8"))]


@pytest.mark.parametrize("rule", [rules.too_long_module, rules.too_long_functions, rules.unbounded_queues, rules.undocumented])
def test_code_keeps_the_rule_when_every_module_is_read(rule: Callable[[str], list[str]]) -> None:
    """No module or function is too long, no queue is without a bound, no public name without a docstring."""
    assert findings(rule, files(*CODE)) == []


def test_only_the_clock_reads_time_when_every_module_is_read() -> None:
    """`time` is imported by rt_edge/data/clock.py alone, and perf_counter by nobody."""
    others = (path for path in files(*CODE) if path != CLOCK)
    assert findings(rules.direct_time, others) == []
    assert rules.direct_time((ROOT / CLOCK).read_text(encoding="utf-8"), may_read=True) == []


def test_tests_wait_for_conditions_when_every_test_is_read() -> None:
    """No test sleeps for a time."""
    assert findings(rules.bare_sleeps, files("tests")) == []


def test_todos_are_numbered_when_every_module_is_read() -> None:
    """What is left to do has the number of an issue."""
    assert findings(rules.unnumbered_todos, files(*CODE, "tests", "benchmarks", "scripts")) == []


def test_no_machine_is_named_when_every_file_is_read() -> None:
    """No file holds a path of somebody's machine, and no script the name of a package host."""
    texts = (path for path in files(*EVERYTHING, suffix="") if path.suffix not in {".png", ".db", ".gz"})
    assert findings(rules.machine_paths, texts) == []
    assert findings(rules.machine_paths, (Path(name) for name in TOP)) == []
    assert findings(rules.archive_hosts, files("scripts", ".ci", suffix="")) == []
    assert findings(rules.archive_hosts, (Path(name) for name in TOP)) == []


def test_stages_say_when_they_act_when_every_stage_is_read() -> None:
    """Each stage has the four lines."""
    assert findings(rules.unexplained_stages, files(*STAGES)) == []


def test_a_stage_has_a_small_module_of_its_own_when_every_stage_is_read() -> None:
    """One stage a module, called like it, of at most 150 lines; the logic of a larger one is `_name.py` beside it."""
    paths = list(files(*STAGES))
    assert findings(rules.several_stages, iter(paths)) == []
    assert findings(rules.too_long_stage, iter(paths)) == []
    for path in paths:
        for name in rules.public_stages((ROOT / path).read_text(encoding="utf-8")):
            assert path.stem == re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower(), f"{path} has {name}"


FUNCTION_OF_71 = "def f():\n" + "    pass\n" * 70
QUEUES = [
    "from collections import deque\nd = deque()",
    "import collections\nd = collections.deque([1, 2])",
    "d = deque(maxlen=None)",
    "d: deque[int] = deque([], None)",
    "d = deque[int]()",
    "q = Queue()",
    "q = asyncio.Queue()",
    "q = asyncio.Queue(maxsize=0)",
    "q = queue.LifoQueue(0)",
    "q = queue.SimpleQueue()",
    "f = field(default_factory=deque)",
]
BOUNDED = [
    "d = deque(maxlen=9)",
    "d = deque([], 9)",
    "q = Queue(9)",
    "q = asyncio.Queue(maxsize=n)",
    "f = field(default_factory=list)",
]
TIMES = ["import time", "import time as t", "from time import monotonic", "from time import sleep as pause"]
SLEEPS = [
    "import time\ntime.sleep(1)",
    "time.sleep(0)",
    "async def f():\n    await asyncio.sleep(0.1)",
    "async def f():\n    await asyncio.sleep(delay)",
    "from time import sleep\nsleep(0)",
    "from asyncio import sleep as nap\nasync def f():\n    await nap(1)",
]
UNDOCUMENTED = [
    "x = 1",
    '"""M."""\ndef f(): ...',
    '"""M."""\nasync def f(): ...',
    '"""M."""\nclass C: ...',
    '"""M."""\nclass C:\n    """C."""\n    def m(self): ...',
    '"""M."""\ndef f():\n    """  """',
]
DOCUMENTED = (
    '"""M."""\ndef _f(): ...\nclass _C:\n    def m(self): ...\nclass D:\n    """D."""\n    @override\n    def m(self): ...'
)


def test_module_size_is_caught_when_a_module_has_a_line_too_many() -> None:
    """400 lines pass and 401 do not."""
    assert rules.too_long_module("x = 1\n" * 400) == []
    assert rules.too_long_module("x = 1\n" * 401)


def test_function_size_is_caught_when_a_function_has_a_line_too_many() -> None:
    """70 lines pass and 71 do not, also in an async method."""
    assert rules.too_long_functions("def f():\n" + "    pass\n" * 69) == []
    assert rules.too_long_functions(FUNCTION_OF_71)
    assert rules.too_long_functions("class C:\n    async def m(self):\n" + "        pass\n" * 70)


STAGE = "class Map(Base):\n    def create_logic(self): ...\n"


def test_stage_is_caught_when_its_module_is_too_long_or_has_another() -> None:
    """150 lines with a stage pass, 151 do not; without one they do. Bases and private stages do not count."""
    assert rules.too_long_stage(STAGE + "x = 1\n" * 148) == []
    assert rules.too_long_stage(STAGE + "x = 1\n" * 149)
    assert rules.too_long_stage("class Base(Stage):\n    x: int\n" + "x = 1\n" * 200) == []
    assert rules.several_stages(STAGE + STAGE.replace("Map", "_Part") + "class Base(Stage):\n    x: int\n") == []
    assert rules.several_stages(STAGE + STAGE.replace("Map", "Filter")) == ["1: 2 stages, one is allowed: Map, Filter"]


@pytest.mark.parametrize("text", QUEUES)
def test_queue_is_caught_when_it_has_no_bound(text: str) -> None:
    """Every way to make a queue without a bound is found."""
    assert len(rules.unbounded_queues(text)) == 1


@pytest.mark.parametrize("text", BOUNDED)
def test_queue_passes_when_it_has_a_bound(text: str) -> None:
    """A bound by keyword, by position or by name is a bound."""
    assert rules.unbounded_queues(text) == []


@pytest.mark.parametrize("text", TIMES)
def test_time_is_caught_when_a_module_imports_it(text: str) -> None:
    """Every way to import `time` is found, and the clock's own is not."""
    assert rules.direct_time(text)
    assert rules.direct_time(text, may_read=True) == []


@pytest.mark.parametrize(
    "text", ["import time\ntime.perf_counter()", "import time as t\nt.perf_counter_ns()", "from time import perf_counter"]
)
def test_perf_counter_is_caught_when_even_the_clock_uses_it(text: str) -> None:
    """`perf_counter` is found where reading time is allowed."""
    assert len(rules.direct_time(text, may_read=True)) == 1


@pytest.mark.parametrize("text", SLEEPS)
def test_sleep_is_caught_when_a_test_waits_for_time(text: str) -> None:
    """Every way to sleep is found."""
    assert len(rules.bare_sleeps(text)) == 1


def test_sleep_passes_when_it_only_gives_way() -> None:
    """`asyncio.sleep(0)` is one turn of the loop."""
    assert rules.bare_sleeps("async def f():\n    await asyncio.sleep(0)\n    self.sleep(3)") == []


@pytest.mark.parametrize("text", UNDOCUMENTED)
def test_missing_docstring_is_caught_when_a_name_is_public(text: str) -> None:
    """Modules, classes, functions and methods without a docstring are found."""
    assert len(rules.undocumented(text)) == 1


def test_missing_docstring_passes_when_a_name_is_private_or_overrides() -> None:
    """Private names, and what overrides a documented method, need none."""
    assert rules.undocumented(DOCUMENTED) == []


def test_todo_is_caught_when_it_has_no_number() -> None:
    """A comment with the bare word is found; with a number, or in a string, it is not."""
    word = "TO" + "DO"
    assert rules.unnumbered_todos(f"x = 1  # {word}: later\n")
    assert rules.unnumbered_todos(f"x = '{word}'  # {word}(#12): later\n") == []


def test_machine_path_is_caught_when_a_line_holds_one() -> None:
    """Paths of a developer's machine are found, system paths are not."""
    assert rules.machine_paths("see " + "/ro" + "ot/x\n") == ["1: see " + "/ro" + "ot/x"]
    assert rules.machine_paths("x = '" + "/wo" + "rk/main'\n")
    assert rules.machine_paths("/etc/rt-edge/rt-edge.yaml and a/framework/b\n") == []


def test_host_is_caught_when_a_script_names_an_index_or_a_mirror() -> None:
    """Names of package hosts are found."""
    assert rules.archive_hosts("https://" + "pypi" + ".org/simple\n")
    assert rules.archive_hosts("https://mirror.example/debian\n") == []


@pytest.mark.parametrize("start", rules.STAGE_LINES)
@pytest.mark.parametrize("member", ['kind = "map"', 'kind: ClassVar[str] = "map"', "def create_logic(self): ..."])
def test_stage_is_caught_when_it_lacks_a_line(start: str, member: str) -> None:
    """Each of the four lines is asked for, of a class that makes a logic and of one that has a kind."""
    lines = "\n".join(f"    {line} it does." for line in rules.STAGE_LINES if line != start)
    text = f'class Map(Base):\n    """Maps.\n\n{lines}\n    """\n    {member}\n'
    assert rules.unexplained_stages(text) == [f"1: Map does not say: {start}"]


def test_stage_passes_when_it_has_the_four_lines() -> None:
    """A stage with the four lines is tidy; a base class and a logic are not asked."""
    lines = "\n".join(f"    {line} it does." for line in rules.STAGE_LINES)
    stage = f'class Map(Base):\n    """Maps.\n\n{lines}\n    """\n    def create_logic(self): ...\n'
    assert rules.unexplained_stages(f"class Base(Stage):\n    x: int\n{stage}class MapLogic(StageLogic): ...\n") == []


def test_a_wait_for_nothing_is_a_sleep_when_a_test_has_one() -> None:
    """`asyncio.wait` on a future that nobody sets is a sleep by another name; on a task it is none."""
    assert rules.bare_sleeps("await asyncio.wait([loop.create_future()], timeout=0.01)")
    assert not rules.bare_sleeps("await asyncio.wait([task], timeout=5)")
