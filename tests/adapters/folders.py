"""What a folder of adapters/ has to hold, as functions that say what is missing; used by test_folders.py."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

from rt_edge.sdk.registry import Registry
from rt_edge.settings.yaml_text import read_yaml
from rt_edge.testkit.adapter_quality import check_folder

FILES = ("__init__.py", "adapter.py", "settings.py", "README.md", "sample.yaml", "quality.yaml")
LIBRARY_FILES = {
    "serial": {"transport.py", "scan.py"},
    "mqtt": {"paho_client.py"},
    "ble": {"transport.py", "link.py", "cipher.py"},
    "modbus": {"transport.py", "pdu.py"},
    "coap": {
        *("transport.py", "peer.py", "observation.py", "server.py", "cbor.py"),
        *("guard.py", "multicast.py", "oscore.py", "secure_socket.py"),
    },
}
"""Files that may import the protocol's library, where it is not transport.py alone: pymodbus' PDUs are data, not transport; CoAP
has two ends, payloads in CBOR, and DTLS, OSCORE and multicast beside plain UDP; pyserial lists ports, too."""
SDK_LIBRARIES = {"rt_edge.sdk.serial_port": "serial"}
"""Modules of the SDK that bring a library along."""
EVERYWHERE = {"rt_edge", "adapters", "msgspec"}
IO = {"asyncio", "socket", "ssl", "select", "threading", "time", "serial", "subprocess"}
"""What a codec does not import."""


def missing_files(folder: Path) -> list[str]:
    """Files that every adapter has."""
    return [f"{name} is missing" for name in FILES if not (folder / name).is_file()]


def wrong_quality(folder: Path) -> list[str]:
    """What `rt-edge adapters --check` says: quality.yaml, README.md, sample.yaml, settings."""
    return [str(problem) for problem in check_folder(folder, Registry.installed().load(folder.name))]


def quality(folder: Path) -> dict[str, Any]:
    """The rules of quality.yaml."""
    rules: dict[str, Any] = read_yaml((folder / "quality.yaml").read_bytes(), "quality.yaml").plain()["rules"]
    return rules


def imports(path: Path) -> set[str]:
    """Top-level packages that a module imports, wherever in it, also by way of the SDK."""
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {SDK_LIBRARIES.get(name, name.partition(".")[0]) for name in names}


def misplaced_imports(folder: Path) -> list[str]:
    """Imports of a library outside transport.py, of pydantic outside settings.py."""
    allowed = LIBRARY_FILES.get(folder.name, {"transport.py"})
    problems = []
    for path in sorted(folder.glob("*.py")):
        foreign = imports(path) - EVERYWHERE - sys.stdlib_module_names
        if path.name == "settings.py":
            foreign.discard("pydantic")
        if path.name not in allowed:
            problems += [f"{path.name} imports {name}" for name in sorted(foreign)]
    return problems


def codec_with_io(folder: Path) -> list[str]:
    """What codec.py imports and a pure function does not need; a claim of sans-io-codec without a codec."""
    if quality(folder).get("sans-io-codec") != "done":
        return []
    codec = folder / "codec.py"
    if not codec.is_file():
        return ["quality.yaml says sans-io-codec: done, and there is no codec.py"]
    return [f"codec.py imports {name}" for name in sorted(imports(codec) & IO)]


def contract_problems(folder: Path, tests: Path) -> list[str]:
    """Claims of contract-tested and reconnect-tested that the folder of tests does not bear out."""
    rules = quality(folder)
    trees = [ast.parse(path.read_text()) for path in sorted(tests.glob("*.py"))]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    bases = {base.id for node in classes for base in node.bases if isinstance(base, ast.Name)}
    methods = {part.name for node in classes for part in node.body if isinstance(part, ast.AsyncFunctionDef)}
    problems = []
    if "AdapterContract" not in bases:
        problems.append(f"no class in {tests.name}/ derives from AdapterContract")
    if rules.get("reconnect-tested") == "done" and not {"vanish", "appear"} <= methods:
        problems.append("quality.yaml says reconnect-tested: done, and no bench of its tests has `vanish` and `appear`")
    return problems


ALL = (missing_files, wrong_quality, misplaced_imports, codec_with_io)
