"""The plan: what crosses from the validating child to a running node."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.errors import InternalError
from rt_edge.sdk.address import Address
from rt_edge.sdk.registry import AdapterEntry, Registry
from rt_edge.sdk.secret import Secret
from rt_edge.settings.build import memory_bytes
from rt_edge.settings.frozen import freeze, melt_plain, secrets_in
from rt_edge.settings.launch import BadConfiguration, read_plan, read_result
from rt_edge.settings.load import Checked
from rt_edge.settings.plan import Code, NodeInfo, NodePlan, decode_plan, decode_result, encode_plan, encode_result
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stages.filter_expression import FilterExpression

GOOD = """\
node: {id: hall-3, data: ./data}
adapters:
  plc:
    kind: bus
    channel: {tcp: "10.0.0.7:502"}
    password: {env: BUS_PASSWORD}
    units:
      pump-1: {unit: 11, every: 250ms}
      pump-2: {unit: 12}
graphs:
  telemetry:
    - from: plc
    - filter: pressure > 1
    - to: [hq, archive]
uplinks:
  hq: {peers: ["127.0.0.1:1900"], spool: {max: 2MB}}
ingress: {listen: "[::1]:1900", store: archive, allow: [edge-1]}
stores:
  archive: {kind: sqlite}
"""


def _plan(checked: Checked) -> NodePlan:
    assert checked.errors == ()
    assert checked.plan is not None
    return checked.plan


def test_has_everything_when_the_configuration_is_good(check: Callable[..., Checked], tmp_path: Path) -> None:
    """A good file becomes a plan with absolute paths, seconds and bytes."""
    plan = _plan(check(GOOD))
    assert plan.node == NodeInfo("hall-3", str(tmp_path / "data"))
    assert plan.uplinks["hq"].peers == (Address("127.0.0.1", 1900),)
    assert (plan.uplinks["hq"].spool.max, plan.uplinks["hq"].spool.max_wait) == (2_000_000, 0.02)
    assert plan.ingress is not None
    assert (plan.ingress.listen, plan.ingress.allow) == (Address("::1", 1900), ("edge-1",))
    assert plan.stores["archive"].path == str(tmp_path / "data" / "store" / "archive.db")
    assert [node.id for node in plan.graphs["telemetry"].nodes] == ["plc", "filter", "broadcast", "hq", "archive"]
    assert plan.adapters["plc"].capability is not None


def test_is_the_same_when_it_went_through_bytes(check: Callable[..., Checked]) -> None:
    """Encoding and decoding change nothing, addresses, graphs and capabilities included."""
    checked = check(GOOD)
    assert decode_plan(encode_plan(_plan(checked))) == checked.plan
    assert decode_result(encode_result(checked.result())) == checked.result()


class Gate(FilterExpression, frozen=True):
    """A stage of somebody else."""

    kind: ClassVar[str] = "gate"


@pytest.fixture
def third(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> Any:
    """A module of somebody else, with a stage `Gate` and an adapter `BusAdapter`."""
    module: Any = ModuleType("third_party")
    module.Gate, module.ClassVar = Gate, ClassVar  # msgspec reads the annotations of Gate in its module
    module.BusAdapter = type("BusAdapter", (registry.load("bus"),), {"__module__": "third_party"})
    monkeypatch.setattr(Gate, "__module__", "third_party")
    monkeypatch.setitem(sys.modules, "third_party", module)
    return module


def test_says_where_the_code_is_when_kinds_are_not_built_in(check: Callable[..., Checked], third: Any) -> None:
    """A node imports adapters and other people's stages from there, and searches nothing; what is built in it knows."""
    catalogue = Catalogue(
        {**{kind: Catalogue.built_in().stage_type(kind) for kind in ("filter", "broadcast")}, "gate": third.Gate}
    )
    registry = Registry([AdapterEntry("bus", lambda: third.BusAdapter)])
    text = GOOD.replace("    - to: [hq, archive]", "    - gate: pressure > 2\n    - to: [hq, archive]")
    checked = check(text, registry=registry, catalogue=catalogue)
    assert checked.errors == ()
    code = decode_result(encode_result(checked.result())).code
    assert code == Code({"bus": "third_party:BusAdapter"}, {"gate": "third_party"})
    assert Registry.named(code.adapters).load("bus") is third.BusAdapter
    assert Catalogue.named(code.stages).stage_type("gate") is third.Gate
    assert Catalogue.named(code.stages).stage_type("filter").kind == "filter"


def test_says_nothing_of_a_class_when_its_module_does_not_have_it(check: Callable[..., Checked], third: Any) -> None:
    """It is searched among what is installed, as without this."""
    hidden = type("Hidden", (third.BusAdapter,), {"__module__": "third_party"})
    found = check(GOOD, registry=Registry([AdapterEntry("bus", lambda: hidden)])).result()
    assert found.plan is not None
    assert found.code == Code()


def test_is_refused_when_it_is_of_another_version(check: Callable[..., Checked]) -> None:
    """A plan that another version encoded is not taken for ours."""
    other = msgspec.structs.replace(_plan(check(GOOD)), version=99)
    with pytest.raises(msgspec.ValidationError, match="version 99"):
        decode_plan(encode_plan(other))


def test_gives_an_adapter_its_attributes_when_frozen(check: Callable[..., Checked]) -> None:
    """An adapter sees the attributes of its settings model; user keys are a mapping, durations seconds."""
    settings = _plan(check(GOOD)).adapters["plc"].frozen()
    assert settings.channel.tcp == Address("10.0.0.7", 502)
    assert list(settings.units) == ["pump-1", "pump-2"]
    assert (settings.units["pump-1"].unit, settings.units["pump-1"].every, settings.units["pump-2"].every) == (11, 0.25, 1.0)
    assert settings.password == Secret(env="BUS_PASSWORD")
    assert [(path, s.env) for path, s in secrets_in(settings)] == [(("password",), "BUS_PASSWORD")]


def test_cannot_be_changed_when_frozen() -> None:
    """Settings are immutable, at every depth, and say which attributes there are."""
    settings = freeze({"a": {"b": 1}, "m": {"%map": {"k": {"c": 2}}}, "l": [1]})
    with pytest.raises(AttributeError):
        settings.a.b = 2
    with pytest.raises(AttributeError):
        del settings.a
    with pytest.raises(TypeError):
        settings.m["k"] = 1
    with pytest.raises(AttributeError, match="only a, l, m"):
        settings.x  # noqa: B018
    assert settings.l == (1,)
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert hash(settings) == hash(freeze({"l": [1], "a": {"b": 1}, "m": {"%map": {"k": {"c": 2}}}}))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(PLAIN)
def test_comes_back_when_melted_and_frozen(value: Any) -> None:
    """What can be carried comes back equal, whatever the keys of a mapping are called."""
    assert freeze(msgspec.msgpack.decode(msgspec.msgpack.encode(melt_plain(value)))) == value


@given(st.dictionaries(st.sampled_from(["%map", "%secret", "%path", "a"]), st.integers(), max_size=3))
def test_is_not_confused_when_user_keys_look_like_tags(value: dict[str, int]) -> None:
    """A mapping of the user whose key is `%secret` stays a mapping."""
    assert freeze(melt_plain(value)) == value


def test_carries_paths_sets_addresses_and_secrets_when_a_setting_is_one() -> None:
    """The few types beside plain ones come back as themselves."""
    value = {"p": Path("/x"), "s": frozenset({"a", "b"}), "h": Address("::1", 1), "k": Secret(file="/f")}
    assert dict(freeze(melt_plain(value))) == value


def test_says_which_type_when_a_setting_cannot_be_carried() -> None:
    """A type nobody planned for is a clear error of the settings model's author."""
    with pytest.raises(InternalError, match="settings cannot carry a complex"):
        melt_plain(1j)


@pytest.mark.parametrize(
    ("island", "memory", "expected"),
    [
        ("each", 1_000, ["adapter-plc", "graph-telemetry", "uplink-hq", "ingress"]),
        ("auto", 8_000_000_000, ["adapter-plc", "graph-telemetry", "uplink-hq", "ingress"]),
        ("auto", 1_000_000_000, ["all"]),
        ("all", 8_000_000_000, ["all"]),
    ],
)
def test_puts_the_work_into_islands_when_told_how(
    check: Callable[..., Checked], island: str, memory: int, expected: list[str]
) -> None:
    """`island` at the top says how many processes there are; `auto` looks at the memory."""
    plan = _plan(check(GOOD + f"island: {island}\n", memory=memory))
    assert list(plan.islands) == expected
    assert sorted(m for members in plan.islands.values() for m in members) == [
        "adapter/plc",
        "graph/telemetry",
        "ingress",
        "uplink/hq",
    ]


def test_shares_an_island_when_two_have_its_name(check: Callable[..., Checked]) -> None:
    """What names the same island is in one process."""
    text = GOOD.replace("kind: bus", "kind: bus\n    island: field").replace("peers:", "island: field, peers:")
    assert _plan(check(text, memory=8 * 10**9)).islands["island-field"] == ("adapter/plc", "uplink/hq")


def test_reads_the_memory_when_the_kernel_tells(tmp_path: Path) -> None:
    """MemTotal is in units of 1024 bytes; where it is missing, islands stay apart."""
    (tmp_path / "meminfo").write_text("MemFree: 1 kB\nMemTotal:     1024 kB\n")
    assert memory_bytes(tmp_path / "meminfo") == 1_048_576
    assert memory_bytes(tmp_path / "none") == 2_000_000_000


def test_loads_no_validation_library_when_a_running_node_imports_it() -> None:
    """Plan, frozen settings, launch and sdk load neither pydantic, ruamel, typer nor rich, and not asyncio's test tools."""
    code = (
        "import sys\n"
        "import rt_edge.settings.plan, rt_edge.settings.launch, rt_edge.sdk, rt_edge.sdk.registry, rt_edge.telemetry.log\n"
        "from rt_edge.settings.frozen import freeze\n"
        "freeze({'a': {'%map': {'k': {'%secret': {'env': 'X'}}}}})\n"
        "bad = {m.split('.')[0] for m in sys.modules} & {'pydantic', 'pydantic_core', 'ruamel', 'typer', 'rich', 'click'}\n"
        "print(sorted(bad))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_comes_from_a_child_process_when_read(tmp_path: Path) -> None:
    """A long-lived process gets its plan from a child that validated it."""
    config = tmp_path / "node.yaml"
    config.write_text("node: {id: up-a, data: d}\ningress: {listen: '127.0.0.1:0', store: s}\nstores: {s: {kind: sqlite}}\n")
    plan = read_plan(config)
    assert plan.node.id == "up-a"
    assert plan.config == str(config)


def test_raises_every_error_when_the_child_found_some(tmp_path: Path) -> None:
    """All errors come back from the child, and no plan."""
    config = tmp_path / "node.yaml"
    config.write_text("node: {id: A}\nx: 1\n")
    with pytest.raises(BadConfiguration) as caught:
        read_plan(config)
    assert [p.place.line for p in caught.value.problems] == [1, 2]
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


@pytest.mark.parametrize(("module", "reason"), [("no.such.module", "exit code 1"), ("this", "no result")])
def test_says_so_when_the_child_breaks(tmp_path: Path, module: str, reason: str) -> None:
    """A child that crashes or writes something else is a bug of ours, named, not a broken plan."""
    with pytest.raises(InternalError, match=reason):
        read_result(tmp_path / "node.yaml", module=module)
