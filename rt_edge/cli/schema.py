"""`rt-edge schema`: JSON Schema of configuration files."""

from __future__ import annotations

import json
import sys

from rt_edge.cli.output import JsonFlag
from rt_edge.sdk.registry import Registry
from rt_edge.settings.schema import whole_schema
from rt_edge.streams.catalogue import Catalogue


def command(as_json: JsonFlag = False) -> None:
    """Print the JSON Schema of configuration files: of this version, with the adapters and stages installed here.

    For completion and checks while you type, in every editor with the YAML language server: write the schema to a file, and name
    it in the first line of a configuration, as in `# yaml-language-server: $schema=rt-edge.schema.json`.

    \b
    Example:
        rt-edge schema > rt-edge.schema.json
    """
    schema = whole_schema(Registry.installed(), Catalogue.installed())
    sys.stdout.write(json.dumps(schema, indent=None if as_json else 2, ensure_ascii=False) + "\n")
