"""One page a stage, made of its docstring, its properties and its DSL method.

python -m rt_edge.streams.dsl.pages docs/stages
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec

from rt_edge.streams import dsl
from rt_edge.streams.stage import ReceiptUse, Stage, StageLogic

HEADING = re.compile(r"^(Emits when|Backpressures when|Completes when|Cancels when|On restart|Attributes):\s*(.*)$")
INDEX = "README.md"


def pages() -> dict[str, str]:
    """File name -> text, for every stage that the DSL offers, and an index."""
    made = {f"{page_name(stage)}.md": page(stage) for stage in dsl.METHODS}
    lines = ["# Stages", "", "Made by `python -m rt_edge.streams.dsl.pages docs/stages`; do not edit.", ""]
    lines += ["| stage | in Python | in a configuration | what it does |", "| --- | --- | --- | --- |"]
    for stage in sorted(dsl.METHODS, key=page_name):
        name, kind = page_name(stage), f"`{stage.kind}`" if stage.kind else ""
        summary = " ".join(sections(stage)[""].split("\n\n")[0].split())
        lines.append(f"| [{name}]({name}.md) | `{dsl.METHODS[stage]}` | {kind} | {summary} |")
    return {**made, INDEX: "\n".join(lines) + "\n"}


def page_name(stage: type[Stage]) -> str:
    """`map_concat` for MapConcat."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", stage.__name__).lower()


def page(stage: type[Stage]) -> str:
    """The page of a stage."""
    said = sections(stage)
    text = [f"# {page_name(stage)}", "", said.pop(""), ""]
    said.pop("Attributes", None)
    text += ["| | |", "| --- | --- |"]
    text += [f"| {heading} | {' '.join(words.split())} |" for heading, words in said.items()]
    text += ["", "In Python:", "", "```python", *signatures(stage), "```", ""]
    if stage.kind:
        text += [f"In a configuration: `{stage.kind}`.", ""]
    several = " Makes one element of several." if stage.combines else ""
    again = f" What its origin emits again {stage.comes_again}." if stage.comes_again else ""
    text.append(f"Receipts: {stage.receipts.value}.{held(stage)}{several}{again}")
    text += ["", f"Residue, when it is taken out of a running graph: {residue(stage)}"]
    fields = msgspec.structs.fields(stage)
    if fields:
        text += ["", "| parameter | default | meaning |", "| --- | --- | --- |"]
        text += [f"| `{field.name}` | {default(field)} | {meaning(stage, field.name)} |" for field in fields]
    return "\n".join(text) + "\n"


def sections(stage: type[Stage]) -> dict[str, str]:
    """The docstring by its headings; what stands before the first is under the empty one."""
    found: dict[str, str] = {"": ""}
    heading = ""
    for line in inspect.cleandoc(stage.__doc__ or "").splitlines():
        match = HEADING.match(line)
        if match:
            heading, line = match[1], match[2]  # noqa: PLW2901  # the rest of the line is the first of the section
            found[heading] = ""
        found[heading] += line + "\n"
    return {heading: words.strip("\n ") if heading != "Attributes" else words for heading, words in found.items()}


def held(stage: type[Stage]) -> str:
    """How much it keeps unsettled, in the words of its `holds`."""
    if stage.receipts is not ReceiptUse.HOLD:
        return ""
    return f" It holds: {_sentence(stage.holds)}"


def residue(stage: type[Stage]) -> str:
    """What it hands on when it is taken out of a running graph, in the words of its logic's `residue`."""
    said = {_sentence(logic.residue): None for logic in logics(stage) if logic.residue is not StageLogic.residue}
    return " Or: ".join(said) or "nothing."


def logics(stage: type[Stage]) -> list[type[StageLogic]]:
    """The classes of which its `create_logic` makes one."""
    function: Any = stage.create_logic
    named = (function.__globals__.get(name) for name in function.__code__.co_names)
    return [found for found in named if isinstance(found, type) and issubclass(found, StageLogic)]


def _sentence(function: Any) -> str:
    """A docstring in one line, as it goes on after a colon."""
    said = " ".join((inspect.getdoc(function) or "").split())
    return said[:1].lower() + said[1:]


def signatures(stage: type[Stage]) -> list[str]:
    """The DSL method that makes it, for each class that has it."""
    owners, _, method = dsl.METHODS[stage].rpartition(".")
    lines = []
    for owner in owners.split(", "):
        parameters = inspect.signature(getattr(getattr(dsl, owner), method)).parameters
        written = [argument(parameter) for name, parameter in parameters.items() if name not in {"self", "cls"}]
        lines.append(f"{owner}.{method}({', '.join(written)})")
    return lines


def argument(parameter: inspect.Parameter) -> str:
    """A parameter of a method, as it is written."""
    star = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else ""
    given = parameter.default
    value = "" if given is inspect.Parameter.empty else f" = {given.__name__ if inspect.isfunction(given) else repr(given)}"
    return f"{star}{parameter.name}: {parameter.annotation}{value}"


def default(field: Any) -> str:
    """The default of a parameter, as code; nothing if it has to be given."""
    if field.required:
        return ""
    value = field.default
    return f"`{value.__name__ if callable(value) else repr(value)}`"


def meaning(stage: type[Stage], name: str) -> str:
    """What the docstring of the stage, or of a base, says about a parameter."""
    for cls in stage.__mro__:
        said = sections(cls).get("Attributes", "") if issubclass(cls, Stage) else ""
        match = re.search(rf"^{name}: (.*(?:\n +.*)*)", textwrap.dedent(said), re.MULTILINE)
        if match:
            return " ".join(match[1].split()).replace("|", "\\|")
    return ""


def write(folder: Path) -> None:
    """Write all pages, and remove those of stages that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in folder.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
