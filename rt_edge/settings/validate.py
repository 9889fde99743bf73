"""A pydantic model over a piece of a configuration: the instance, or every error with its place, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rt_edge.data.errors import ConfigError
from rt_edge.sdk.settings import SettingError, SettingErrors
from rt_edge.settings.frozen import melt_plain
from rt_edge.settings.known import keys_at, place_below
from rt_edge.settings.places import Path, PathElement
from rt_edge.settings.report import Report
from rt_edge.settings.slips import slip_hint
from rt_edge.settings.wording import in_words
from rt_edge.settings.yaml_tree import Node
from rt_edge.streams.model import nearest_hint

M = TypeVar("M", bound=BaseModel)
Loc = tuple[PathElement, ...]


def validate(model: type[M], value: Any, path: Path, report: Report) -> M | None:
    """`value` as `model`; None after reporting every error under `path`."""
    if not isinstance(value, dict):
        report.error(path, "must be a mapping" + (", not empty" if value is None else ""), _required_hint(model))
        return None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for one in _without_other_branches(error.errors(include_url=False), value):
            _report(one, model, path, report)
    except ConfigError as error:  # an adapter's validator raised it: pydantic lets it through, the place is lost
        report.error(path, error.message, error.hint)
    return None


def _required_hint(model: type[BaseModel]) -> str:
    required = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    return f"it needs {', '.join(required)}" if required else ""


def _without_other_branches(errors: list[Any], value: Any) -> list[Any]:
    """Of a union's errors keep those of the branch that was meant: the one with fewest missing and unknown keys."""
    groups: dict[Loc, dict[PathElement, list[Any]]] = {}
    kept = []
    for error in errors:
        loc = error["loc"]
        place = _first_tag(loc, value)
        if place is None or (place == len(loc) - 1 and error["type"] in {"missing", "extra_forbidden"}):
            kept.append(error)
        else:
            groups.setdefault(loc[:place], {}).setdefault(loc[place], []).append(error)
    for prefix, branches in groups.items():
        best = min(
            branches.values(), key=lambda found: (sum(e["type"] in {"missing", "extra_forbidden"} for e in found), len(found))
        )
        inner = [{**e, "loc": e["loc"][len(prefix) + 1 :]} for e in best]
        here = _descend(value, prefix)
        kept += [{**e, "loc": (*prefix, *e["loc"])} for e in _without_other_branches(inner, here)]
    return kept


def _first_tag(loc: Loc, value: Any) -> int | None:
    """Index of the first element that does not lead into `value`: the name of a union branch, or a missing key."""
    here = value
    for index, element in enumerate(loc):
        if element == "[key]":
            return None
        inside = isinstance(here, Mapping) and element in here
        inside = inside or (isinstance(here, list) and isinstance(element, int) and element < len(here))
        if not inside:
            return index
        here = here[element]
    return None


def _descend(value: Any, loc: Loc) -> Any:
    for element in loc:
        value = value[element]
    return value


def _report(error: Any, model: type[BaseModel], base: Path, report: Report) -> None:
    loc: Loc = tuple(part for part in error["loc"] if part != "[key]")
    kind = error["type"]
    if kind == "missing":
        report.error((*base, *loc), f"`{loc[-1]}` is missing", keys_at(model, loc[:-1]).get(str(loc[-1]), ""))
        return
    if kind == "extra_forbidden":
        key = str(loc[-1])
        known = keys_at(model, loc[:-1])
        written = _node(report.root, (*base, *loc))
        hint = slip_hint(key, known, None if written is None else written.plain()) or nearest_hint(key, known)
        place = "" if hint.startswith("did") else place_below(model, loc[:-1], key)
        report.error((*base, *loc), f"unknown key {key!r}", f"it belongs in `{place}`" if place else hint, key=True)
        return
    raised = error.get("ctx", {}).get("error")
    if isinstance(raised, (SettingError, SettingErrors)):
        for one in raised.errors if isinstance(raised, SettingErrors) else (raised,):
            report.error((*base, *loc, *one.at), one.message, one.hint)
        return
    node = _node(report.root, (*base, *loc))
    message, hint = in_words(error, node.plain() if node is not None else error.get("input"))
    if not hint and kind in {"model_type", "model_attributes_type"} and (known := keys_at(model, loc)):
        hint = f"its keys: {', '.join(list(known)[:12])}" + (" ..." if len(known) > 12 else "")
    report.error((*base, *loc), message, hint)


def _node(root: Node, path: Path) -> Node | None:
    node: Node | None = root
    for element in path:
        node = node.child(element) if node is not None else None
    return node


def melt(value: Any) -> Any:
    """A settings model as data for `rt_edge.settings.frozen.freeze`, computed fields included.

    Raises:
        InternalError: a field of a type that cannot be carried.
    """
    if isinstance(value, BaseModel):
        kind = type(value)
        names = [*kind.model_fields, *kind.model_computed_fields]
        return {name: melt(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {"%map": {str(key): melt(inner) for key, inner in value.items()}}
    if type(value) in {list, tuple}:
        return [melt(inner) for inner in value]
    return melt_plain(value)
