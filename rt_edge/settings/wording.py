"""pydantic's errors in our words: what must be there, and what is there."""

from __future__ import annotations

from typing import Any

from rt_edge.data.units import show_duration, show_size
from rt_edge.streams.model import nearest_hint

_MUST = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "path": "a path",
    "bytes": "a text",
}
_BOUNDS = {
    "greater_than": ("gt", "greater than {}"),
    "greater_than_equal": ("ge", "{} or more"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "{} or less"),
}


def in_words(error: Any, written: Any) -> tuple[str, str]:
    """Message and hint of one pydantic error.

    Args:
        error: an item of `ValidationError.errors()`.
        written: the value in the file, as plain data.
    """
    kind: str = error["type"]
    context = error.get("ctx", {})
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"must be {words.format(_like(context[name], written, error.get('input')))}, not {describe(written)}", ""
    if kind in {"literal_error", "enum"}:
        choices = [part.strip("'") for part in str(context["expected"]).replace(" or ", ", ").split(", ")]
        if str(written) in choices:
            return f"must be a text, not {describe(written)}", "put it in quotes"
        near = nearest_hint(str(written), choices)
        return f"{describe(written)} is not one of {', '.join(choices)}", near if near.startswith("did") else ""
    if kind == "union_tag_invalid":
        choices = [part.strip("'") for part in str(context["expected_tags"]).split(", ")]
        return f"{context['tag']!r} is not one of {', '.join(choices)}", nearest_hint(str(context["tag"]), choices)
    if kind == "union_tag_not_found":
        return f"`{str(context['discriminator']).strip(chr(39))}` is missing", "it says which form this is"
    if kind == "value_error":
        return str(error["msg"]).removeprefix("Value error, "), ""
    if kind in {"too_short", "too_long"}:
        side = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        return f"must have {side} items, not {context['actual_length']}", ""
    subject = kind.split("_", 1)[0]
    if subject in _MUST and kind.split("_", 1)[-1] in {"type", "parsing", "from_float", "attributes_type", "unicode", "set_type"}:
        return f"must be {_MUST[subject]}, not {describe(written)}", _form_hint(subject, written)
    text = str(error["msg"]).replace("Input should", "must").replace("Value should", "must").replace("String should", "must")
    return f"{text[:1].lower()}{text[1:]}", ""


def _form_hint(subject: str, written: Any) -> str:
    if subject == "string" and isinstance(written, (bool, int, float)):
        return "put it in quotes"
    if subject in {"list", "tuple"} and isinstance(written, str):
        return f"write [{written}]" if len(written) < 40 else "write it as a list"
    if subject == "dict" and isinstance(written, list):
        return "give each a name: `NAME: ...` instead of `- ...`"
    return ""


def _like(bound: Any, written: Any, parsed: Any) -> str:
    """A bound, in the unit the value was written in."""
    if isinstance(written, str) and isinstance(parsed, float) and not _plain_number(written):
        return show_duration(bound)
    if isinstance(written, str) and isinstance(parsed, int) and not _plain_number(written):
        return show_size(int(bound))
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _plain_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def describe(value: Any) -> str:
    """A value as a message names it; long texts are cut."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:37] + "...")
    return str(value)
