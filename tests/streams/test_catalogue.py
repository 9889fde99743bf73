"""Kinds of stages: what a configuration's properties become, and every error they can have."""

from __future__ import annotations

import enum
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration, Size
from rt_edge.streams import stages
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.model import FROM, NodeModel, Ports
from rt_edge.streams.stage import Inlet, Stage
from rt_edge.streams.stages.index import KINDS


class Mode(enum.Enum):
    FIRST = "first"
    LAST = "last"


class Everything(Stage, frozen=True):
    """All types.

    Attributes:
        count: how many
            of them.
    """

    kind: ClassVar[str] = "everything"

    count: int
    ratio: float = 0.5
    text: str = ""
    flag: bool = False
    mode: Mode = Mode.FIRST
    side: Literal["left", "right"] = "left"
    every: Duration | float = 1.0
    limit: Size | None = None
    names: list[str] = []
    waits: dict[str, Duration] = {}
    by: str | Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ConfigError("count is negative", "write 0 or more")

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        return tuple(Inlet(f"in{i}", i) for i in range(self.count))


class Assign(Stage, frozen=True):
    """Fields."""

    kind: ClassVar[str] = "assign"
    shorthand: ClassVar[str] = "fields"
    fields: dict[str, str]
    strict: bool = False


class Bare(Stage, frozen=True):
    """Nothing to say."""

    kind: ClassVar[str] = "bare"


CATALOGUE = Catalogue({stage.kind: stage for stage in (Everything, Assign, Bare)})


def test_makes_a_stage_when_every_property_is_right() -> None:
    """Plain data becomes the types of the stage's fields."""
    written = {
        "count": 2,
        "ratio": 1,
        "mode": "last",
        "side": "right",
        "every": "250ms",
        "limit": "64KiB",
        "names": ["a"],
        "waits": {"x": "1s"},
        "by": "a > 1",
    }
    stage = CATALOGUE.stage(NodeModel("n", "everything", written))
    assert stage == Everything(
        count=2,
        ratio=1.0,
        mode=Mode.LAST,
        side="right",
        every=Duration(0.25),
        limit=Size(65536),
        names=["a"],
        waits={"x": Duration(1.0)},
        by="a > 1",
    )


def test_reports_all_properties_when_several_are_wrong() -> None:
    """Each wrong property has an error of its own, with the path to it."""
    written = {
        "ratio": "x",
        "text": 3,
        "flag": "yes",
        "mode": "midle",
        "side": "up",
        "every": 5,
        "limit": "3 parsec",
        "names": ["a", 7],
        "waits": {"x": "soon", "y": "1s"},
        "by": 4,
        "cuont": 1,
    }
    errors = CATALOGUE.check("everything", written).errors
    assert [str(e) for e in errors] == [
        "ratio: must be a number, not a text",
        "text: must be a text, not a whole number",
        "flag: must be true or false, not a text",
        "mode: 'midle' is not one of first, last",
        "side: 'up' is not one of left, right",
        "every: 5 is not a duration (write a number with a unit, like 250ms, 60s, 5min, 24h)",
        "limit: '3 parsec' is not a size (write a number with a unit, like 512B, 64KiB, 256MB, 2GB)",
        "names.1: must be a text, not a whole number",
        "waits.x: 'soon' is not a duration (write a number with a unit, like 250ms, 60s, 5min, 24h)",
        "by: must be a text, not a whole number",
        "cuont: `everything` has no property 'cuont' (did you mean 'count'?)",
        "`count` is missing (how many of them.)",
    ]


def test_says_what_the_stage_says_when_it_refuses_its_properties() -> None:
    """An error of the stage's own check is one of the node."""
    assert [str(e) for e in CATALOGUE.check("everything", {"count": -1}).errors] == ["count is negative (write 0 or more)"]
    with pytest.raises(ConfigError, match="graph node 'n': count is negative"):
        CATALOGUE.stage(NodeModel("n", "everything", {"count": -1}))


@pytest.mark.parametrize(
    ("kind", "value", "properties"),
    [
        ("everything", 3, {"count": 3}),
        ("everything", {"count": 3}, {"count": 3}),
        ("everything", None, {}),
        ("assign", {"a": "b"}, {"fields": {"a": "b"}}),
        ("assign", {"fields": {"a": "b"}, "strict": True}, {"fields": {"a": "b"}, "strict": True}),
        ("assign", {"fields": {"a": "b"}}, {"fields": {"a": "b"}}),
        ("bare", None, {}),
    ],
)
def test_knows_the_property_when_only_its_value_is_written(kind: str, value: object, properties: dict[str, object]) -> None:
    """One value, or a mapping of the user's own names, is the property that the stage's `shorthand` names."""
    assert CATALOGUE.properties(kind, value) == properties


def test_is_an_error_when_a_stage_without_properties_gets_some() -> None:
    """`bare: 3` says that there is nothing to set."""
    properties = CATALOGUE.properties("bare", 3)
    assert [str(e) for e in CATALOGUE.check("bare", properties).errors] == ["`bare` has no properties (write `bare` alone)"]


def test_knows_the_ports_when_they_depend_on_properties() -> None:
    """Ports are those of the stage with these properties; None when there is no such stage."""
    assert CATALOGUE.ports(NodeModel("n", "everything", {"count": 2})) == Ports(("in0", "in1"), ("out",))
    assert CATALOGUE.ports(NodeModel("n", FROM)) == Ports((), ("out",))
    assert CATALOGUE.ports(NodeModel("n", "everything")) is None
    assert CATALOGUE.ports(NodeModel("n", "nothing")) is None


def test_has_the_nearest_name_when_a_kind_is_unknown() -> None:
    """An unknown kind is an error with the nearest known one."""
    with pytest.raises(ConfigError, match="did you mean 'assign'"):
        CATALOGUE.stage_type("asign")


def test_describes_each_property_when_asked_for_the_schema() -> None:
    """The JSON Schema has types, defaults as they are written, and the docstring's words."""
    full = CATALOGUE.schema("everything")["anyOf"][0]
    assert full["required"] == ["count"]
    assert full["properties"]["count"] == {"type": "integer", "description": "how many of them."}
    assert full["properties"]["every"]["default"] == "1s"
    assert full["properties"]["mode"] == {"enum": ["first", "last"], "default": "first"}
    assert CATALOGUE.schema("bare")["anyOf"] == [
        {"type": "object", "properties": {}, "additionalProperties": False},
        {"type": "null"},
    ]


def test_finds_each_stage_once_when_built_in() -> None:
    """Every built-in kind is found, documented, and has a schema."""
    built_in = Catalogue.built_in()
    assert {"filter", "set", "merge", "broadcast", "deadband", "buffer"} <= set(built_in.kinds())
    assert all(built_in.schema(kind)["description"] for kind in built_in.kinds())
    assert set(Catalogue.installed().kinds()) >= set(built_in.kinds())


def test_index_names_every_stage_with_a_kind_when_all_modules_are_imported() -> None:
    """The index is whole and right, and nothing is imported for a kind that is not used."""
    found: dict[str, str] = {}
    for module in pkgutil.iter_modules(stages.__path__):
        for stage in vars(importlib.import_module(f"{stages.__name__}.{module.name}")).values():
            if (
                isinstance(stage, type)
                and issubclass(stage, Stage)
                and stage.kind
                and stage.__module__.endswith(f".{module.name}")
            ):
                assert stage.kind not in found, f"two stages of kind {stage.kind!r}"
                found[stage.kind] = module.name
    assert found == KINDS
    assert list(KINDS) == sorted(KINDS)
    for kind in KINDS:
        assert Catalogue.built_in().stage_type(kind).kind == kind


def test_a_module_is_imported_when_its_kind_is_used_and_not_before() -> None:
    """A fresh interpreter that checks one kind has not imported another."""
    code = (
        "import sys; from rt_edge.streams.catalogue import Catalogue; one = Catalogue.installed(); one.kinds();"
        "one.check('take', {'count': 3}); print([m for m in sys.modules if m.startswith('rt_edge.streams.stages.')])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "rt_edge.streams.stages.take" in said
    assert "rt_edge.streams.stages.deadband" not in said


def test_each_expression_has_an_error_when_several_of_one_stage_are_wrong() -> None:
    """Every wrong expression of a `set` is found at once, each at its own field, also where two have the same text."""
    fields = {"a": "b.c", "fine": "1 + x", "d": "e +", "f": "b.c"}
    errors = Catalogue.installed().check("set", {"fields": fields}).errors
    assert [error.path for error in errors] == [("fields", "a"), ("fields", "d"), ("fields", "f")]
    assert errors[0].message == errors[2].message != errors[1].message
