"""The link format of RFC 6690: what `/.well-known/core` says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from rt_edge.sdk import CodecError, Found

LINK_FORMAT = 40
"""Content-Format application/link-format (RFC 6690, 7.4)."""
MAX_LINKS = 4096
FORMATS = {0: "text", 40: "links", 42: "octets", 50: "json", 60: "cbor", 110: "senml-json", 112: "senml-cbor"}
"""Content-Formats that the adapter reads, or that say why it does not (RFC 7252, 12.3; RFC 8428, 12.3)."""
_TARGET = re.compile(r"\s*<([^>]*)>")
_PARAMETER = re.compile(r"\s*;\s*([A-Za-z0-9!#$&+.^_`|~-]+\*?)(?:\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;,\s]*)))?")


def found_links(links: Iterable[tuple[str, dict[str, str]]]) -> Iterator[Found]:
    """Each resource, as a scan tells it."""
    for target, parameters in links:
        if target != "/.well-known/core":
            yield _found(target, parameters)


def _found(target: str, parameters: dict[str, str]) -> Found:
    formats = [FORMATS.get(int(code), code) for code in parameters.get("ct", "").split() if code.isdecimal()]
    observable = "obs" in parameters
    words = [parameters[key] for key in ("title", "rt") if parameters.get(key)]
    words += formats + (["can be observed"] if observable else [])
    settings: dict[str, Any] = {"path": target}
    if observable:
        settings["observe"] = True
    details = {"parameters": parameters, "formats": formats, "observable": observable}
    return Found(target, ", ".join(words), details, settings)


def parse_links(text: str) -> list[tuple[str, dict[str, str]]]:
    """Targets and their parameters, at most MAX_LINKS. A parameter without a value is an empty text; of a repeated one the first
    counts (RFC 6690, 3).

    Raises:
        CodecError: it is no link format.
    """
    links: list[tuple[str, dict[str, str]]] = []
    at, end = 0, len(text.rstrip())
    while at < end and len(links) < MAX_LINKS:
        match = _TARGET.match(text, at)
        if match is None:
            raise CodecError(f"at character {at + 1}: a <target> is expected")
        at = match.end()
        parameters: dict[str, str] = {}
        while (parameter := _PARAMETER.match(text, at)) is not None:
            quoted, plain = parameter[2], parameter[3]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain or ""
            parameters.setdefault(parameter[1], value)
            at = parameter.end()
        links.append((match[1], parameters))
        rest = text[at:end].lstrip()
        if rest and not rest.startswith(","):
            raise CodecError(f"at character {at + 1}: a comma or a semicolon is expected")
        at = end - len(rest) + 1 if rest else end
    return links
