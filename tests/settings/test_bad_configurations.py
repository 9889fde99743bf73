"""The exact line that each bad configuration gets; every case is a text and all of its errors, in order."""

# ruff: noqa: E501, ISC004 a table is read by its lines

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rt_edge.settings.load import Checked

NAME_RULE = "1 to 64 small letters, digits, '.', '_', '-'; first and last a letter or digit"
ADDRESS = "write host:port, like up-a.example:1900, 10.0.0.7:1900 or [::1]:1900"
UNIT = "write a number with a unit, like 250ms, 60s, 5min, 24h"
TLS = "add tls: {ca: FILE, cert: FILE, key: FILE}"
INDENT = "look at the indentation of this line, and for a missing `:` or quote above it"

HEAD = """\
node: {id: hall-3, data: ./data}
adapters:
  plc: {kind: bus, channel: {serial: /dev/ttyUSB0}}
uplinks:
  hq: {peers: ["127.0.0.1:1900"]}
"""
"""Five lines; what a case adds begins in line 6."""

GRAPH = HEAD + "graphs:\n  g:\n"
"""Seven lines."""

WHOLE_FILE: list[tuple[str, str | bytes, list[str]]] = [
    ("empty", "", ["1:1: the file is empty (start with `node: {id: NAME, data: DIRECTORY}`)"]),
    ("a list", "- a\n", ["1:1: must be a mapping, not a list (start with `node: {id: NAME, data: DIRECTORY}`)"]),
    ("not UTF-8", b"node:\n  id: \xff\n", ["2:7: byte 0xff is not UTF-8 (save the file as UTF-8)"]),
    ("a control character", "node:\n  id: a\x01b\n", ["2:8: the character U+0001 is not allowed in YAML (remove it)"]),
    (
        "a tab",
        "node:\n\tid: a\n",
        [
            "2:1: not YAML: found character '\\t' that cannot start any token while scanning for the next token"
            " (indent with spaces, not tabs)"
        ],
    ),
    (
        "an open bracket",
        "node: {id: a\nadapters:\n  x: 1\n",
        ["2:9: not YAML: expected ',' or '}', but got ':' while parsing a flow mapping that began in line 1"],
    ),
    (
        "a colon in a text",
        "node: {id: a}\ntelemetry: log: debug\n",
        [
            "2:15: not YAML: mapping values are not allowed here"
            " (a text with `: ` in it needs quotes; look at the indentation too)"
        ],
    ),
    (
        "keys twice",
        "node: {id: a}\nnode: {id: b}\n",
        ["2:1: the key 'node' is here twice; first in line 1 (remove one, or rename it)"],
    ),
    ("an alias of nothing", "node: *x\n", ["1:7: node: nothing is called &x above (define it before it is used)"]),
    (
        "a tag",
        "node: !!python/name:os.system {id: a}\n",
        ["1:7: node: the tag tag:yaml.org,2002:python/name:os.system is not used here (remove it; write text in quotes)"],
    ),
    ("an alias of itself", "node: &n [*n]\n", ["1:11: *n is inside of what it stands for (a value cannot contain itself)"]),
    (
        "two documents",
        "node: {id: a}\n---\nnode: {id: b}\n",
        ["2:1: a second document begins here (one file describes one node; remove `---`)"],
    ),
    ("too deep", "node: " + "[" * 60, ["1:46: nested more than 40 deep (no setting is that deep)"]),
    ("no node", "stores: {}\n", ["1:1: node: `node` is missing (add node: {id: NAME, data: DIRECTORY})"]),
]

SECTIONS: list[tuple[str, str, list[str]]] = [
    ("an unknown section", HEAD + "uplink: {}\n", ["6:1: uplink: unknown key 'uplink' (did you mean 'uplinks'?)"]),
    ("a name with capitals", "node: {id: Hall}\n", [f"1:12: node > id: 'Hall' is not a name ({NAME_RULE})"]),
    ("a number for a path", "node: {id: a, data: 3}\n", ["1:21: node > data: must be a text, not 3 (put it in quotes)"]),
    ("nothing for a node", "node:\n", ["1:1: node: must be a mapping, not empty (it needs id)"]),
    (
        "an unknown kind",
        "node: {id: a}\nadapters:\n  x: {kind: buss}\n",
        ["3:13: adapters > x > kind: there is no adapter kind 'buss' (did you mean 'bus'?)"],
    ),
    (
        "type for kind",
        "node: {id: a}\nadapters:\n  x: {type: bus}\n",
        ["3:3: adapters > x > kind: `kind` is missing (did you mean `kind` instead of `type`?)"],
    ),
    (
        "a missing extra",
        "node: {id: a}\nadapters:\n  x: {kind: radio}\n",
        ["3:13: adapters > x > kind: adapter kind 'radio' needs radiolib, not installed here (pip install rt-edge[radio])"],
    ),
    (
        "a list for adapters",
        "node: {id: a}\nadapters: [x]\n",
        ["2:1: adapters: must be a mapping from names, not a list (adapters: {NAME: ...})"],
    ),
    (
        "an uplink without tls",
        HEAD.replace("127.0.0.1:1900", "up-a.example:1900"),
        [f"5:16: uplinks > hq > peers > item 1: up-a.example:1900 is not on loopback and there is no tls ({TLS})"],
    ),
    (
        "a peer without port",
        HEAD.replace(":1900", ""),
        [f"5:16: uplinks > hq > peers > item 1: '127.0.0.1' has no port from 0 to 65535 ({ADDRESS})"],
    ),
    (
        "two peers",
        HEAD.replace('["127', '["127.0.0.1:1901", "127'),
        [
            "5:8: uplinks > hq > peers: more than one peer, and nothing says that they share one store"
            " (write failover: shared_store if they do (one database), else keep one peer)"
        ],
    ),
    ("no peers", HEAD.replace('["127.0.0.1:1900"]', "[]"), ["5:15: uplinks > hq > peers: must have at least 1 items, not 0"]),
    (
        "a peer twice",
        HEAD.replace('0"]', '0", "127.0.0.1:1900"], failover: shared_store'),
        ["5:34: uplinks > hq > peers > item 2: the peer 127.0.0.1:1900 is here twice (remove one)"],
    ),
    (
        "a small spool",
        HEAD.replace('0"]', '0"], spool: {max: 10kB}'),
        ["5:48: uplinks > hq > spool > max: must be 2MB or more, not '10kB'"],
    ),
    (
        "an unknown policy",
        HEAD.replace('0"]', '0"], spool: {when_full: drop_oldst}'),
        ["5:54: uplinks > hq > spool > when_full: 'drop_oldst' is not one of block, drop_oldest (did you mean 'drop_oldest'?)"],
    ),
    (
        "a time without unit",
        HEAD.replace('0"]', '0"], spool: {max_wait: 20}'),
        [f"5:53: uplinks > hq > spool > max_wait: 20 is not a duration ({UNIT})"],
    ),
    (
        "an ingress for all without tls",
        HEAD + "ingress: {listen: 0.0.0.0:1900, store: s}\nstores:\n  s: {kind: sqlite}\n",
        [f"6:19: ingress > listen: 0.0.0.0:1900 is not loopback and there is no tls ({TLS})"],
    ),
    (
        "an ingress to no store",
        HEAD + "ingress: {listen: 127.0.0.1:1901, store: mian}\nstores:\n  main: {kind: sqlite}\n",
        ["6:42: ingress > store: there is no store 'mian' (did you mean 'main'?)"],
    ),
    (
        "an uplink to itself",
        HEAD + "ingress: {listen: 127.0.0.1:1900, store: s}\nstores:\n  s: {kind: sqlite}\n",
        ["5:16: uplinks > hq > peers > item 1: 127.0.0.1:1900 is this node's own ingress (name another node)"],
    ),
    (
        "two stores in one file",
        HEAD + "stores:\n  a: {kind: sqlite, path: x.db}\n  b: {kind: sqlite, path: x.db}\n",
        ["8:3: stores > b: the stores 'a' and 'b' are one file, x.db (give each its own path)"],
    ),
    (
        "one name twice",
        HEAD + "stores:\n  plc: {kind: sqlite}\n",
        ["7:3: stores > plc: 'plc' is also the name of adapters > plc (give one of them another name)"],
    ),
    ("an unknown island mode", HEAD + "island: al\n", ["6:9: island: 'al' is not one of auto, each, all"]),
    (
        "an unknown level",
        HEAD + "telemetry: {log_level: loud}\n",
        ["6:24: telemetry > log_level: 'loud' is not one of debug, info, warning, error"],
    ),
]

ADAPTERS: list[tuple[str, str, list[str]]] = [
    (
        "a policy for the start that does not exist",
        "startup: ignroe",
        ["4:14: adapters > plc > startup: 'ignroe' is not one of fail, retry, ignore, probe (did you mean 'ignore'?)"],
    ),
    (
        "no text for the start",
        "startup: true",
        ["4:14: adapters > plc > startup: true is not one of fail, retry, ignore, probe"],
    ),
    (
        "an unknown key",
        "units: {p: {unti: 1, unit: 2}}",
        ["4:17: adapters > plc > units > p > unti: unknown key 'unti' (did you mean 'unit'?)"],
    ),
    (
        "a key a level too high",
        "parity: even",
        ["4:5: adapters > plc > parity: unknown key 'parity' (it belongs in `channel`)"],
    ),
    (
        "a key two levels too high, below names",
        "unit: 7",
        ["4:5: adapters > plc > unit: unknown key 'unit' (did you mean 'units'?)"],
    ),
    (
        "a key two levels too high, unlike any",
        "writable: true",
        ["4:5: adapters > plc > writable: unknown key 'writable' (it belongs in `units > NAME`)"],
    ),
    (
        "a list for names",
        "units: [{unit: 1}]",
        ["4:5: adapters > plc > units: must be a mapping, not a list (give each a name: `NAME: ...` instead of `- ...`)"],
    ),
    (
        "a missing key",
        "units: {p: {every: 1s}}",
        ["4:13: adapters > plc > units > p > unit: `unit` is missing (Station address on the bus.)"],
    ),
    ("a number too large", "units: {p: {unit: 300}}", ["4:23: adapters > plc > units > p > unit: must be 247 or less, not 300"]),
    (
        "a text for a number",
        "units: {p: {unit: eleven}}",
        ["4:23: adapters > plc > units > p > unit: must be a whole number, not 'eleven'"],
    ),
    (
        "a period of nothing",
        "units: {p: {unit: 1, every: 0s}}",
        ["4:33: adapters > plc > units > p > every: must be greater than 0s, not '0s'"],
    ),
    (
        "a period too long",
        "units: {p: {unit: 1, every: 2h}}",
        ["4:33: adapters > plc > units > p > every: must be 1h or less, not '2h'"],
    ),
    (
        "a word for a truth",
        "units: {p: {unit: 1, writable: maybe}}",
        ["4:36: adapters > plc > units > p > writable: must be true or false, not 'maybe'"],
    ),
    (
        "nothing for a unit",
        "units: {p: }",
        ["4:13: adapters > plc > units > p: must be a mapping, not nothing (its keys: unit, every, writable)"],
    ),
    (
        "a bad name of a unit",
        "units: {Pump: {unit: 1}}",
        [f"4:13: adapters > plc > units > Pump: 'Pump' is not a name ({NAME_RULE})"],
    ),
    (
        "one unit twice",
        "units: {p: {unit: 1}, q: {unit: 1}}",
        ["4:37: adapters > plc > units > q > unit: unit 1 is 'p' already (give it another)"],
    ),
    (
        "not a secret",
        "password: {fil: x}",
        ["4:5: adapters > plc > password: not a secret (write {file: PATH}, {env: NAME}, or the text itself in quotes)"],
    ),
    (
        "several",
        "units: {p: {unit: 0, evry: 1s}, q: {unit: x}}",
        [
            "4:23: adapters > plc > units > p > unit: must be 1 or more, not 0",
            "4:26: adapters > plc > units > p > evry: unknown key 'evry' (did you mean 'every'?)",
            "4:47: adapters > plc > units > q > unit: must be a whole number, not 'x'",
        ],
    ),
]

CHANNELS: list[tuple[str, str, list[str]]] = [
    (
        "of the serial form",
        "{serial: /dev/ttyUSB0, parity: evn}",
        ["3:60: adapters > plc > channel > parity: 'evn' is not one of none, even, odd (did you mean 'even'?)"],
    ),
    ("of the TCP form", "{tcp: x}", [f"3:35: adapters > plc > channel > tcp: 'x' has no port from 0 to 65535 ({ADDRESS})"]),
    (
        "a misspelled form",
        "{serail: /dev/ttyUSB0}",
        [
            "3:20: adapters > plc > channel > serial: `serial` is missing (device)",
            "3:30: adapters > plc > channel > serail: unknown key 'serail' (did you mean 'serial'?)",
        ],
    ),
]

GRAPHS: list[tuple[str, str, list[str]]] = [
    (
        "no list",
        "    plc\n",
        ["8:5: graphs > g: must be a list of steps, not 'plc' (begin with `- from: ADAPTER`, end with `- to: UPLINK`)"],
    ),
    (
        "an unknown stage",
        "    - from: plc\n    - fliter: a > 1\n    - to: hq\n",
        ["9:7: graphs > g > item 2 > fliter: there is no stage 'fliter' (did you mean 'filter'?)"],
    ),
    (
        "an unknown adapter",
        "    - from: plx\n    - to: hq\n",
        ["8:13: graphs > g > item 1 > from: there is no adapter 'plx' (did you mean 'plc'?)"],
    ),
    (
        "from an uplink",
        "    - from: hq\n    - to: hq\n",
        ["8:13: graphs > g > item 1 > from: there is no adapter 'hq' ('hq' is one of the uplinks; `from` takes adapters)"],
    ),
    (
        "to nowhere",
        "    - from: plc\n    - to: haq\n",
        ["9:11: graphs > g > item 2 > to: there is no uplink, store or adapter 'haq' (did you mean 'hq'?)"],
    ),
    (
        "to nothing like it",
        "    - from: plc\n    - to: cloud\n",
        ["9:11: graphs > g > item 2 > to: there is no uplink, store or adapter 'cloud' (known: hq)"],
    ),
    (
        "to an adapter that only reads",
        "    - from: plc\n    - to: plc\n",
        [
            "9:11: graphs > g > item 2 > to: adapter 'plc' (kind bus) only reads (`to` takes an uplink, a store or an adapter that writes)"
        ],
    ),
    (
        "no from",
        "    - filter: a > 1\n    - to: hq\n",
        ["8:7: graphs > g > item 1: the first step is `filter`, not `from` (add `- from: NAME`)"],
    ),
    (
        "no to",
        "    - from: plc\n    - filter: a > 1\n",
        ["9:7: graphs > g > item 2: the last step is `filter`, not `to` (add `- to: NAME`)"],
    ),
    (
        "a step after to",
        "    - from: plc\n    - to: hq\n    - filter: a > 1\n    - to: hq\n",
        ["9:11: graphs > g > item 2 > to: steps come after `to` (put `to` last; `to: [a, b]` sends to both)"],
    ),
    (
        "properties not indented",
        "    - from: plc\n    - band:\n      field: a\n    - to: hq\n",
        [
            "9:7: graphs > g > item 2: a step has one kind; here are band, field (properties stand under the kind, two spaces further in)"
        ],
    ),
    (
        "properties of a stage",
        "    - from: plc\n    - band: {feild: a, absolute: x, mode: frist}\n    - to: hq\n",
        [
            "9:7: graphs > g > item 2 > band: `field` is missing (the field to look at.)",
            "9:14: graphs > g > item 2 > band > feild: `band` has no property 'feild' (did you mean 'field'?)",
            "9:34: graphs > g > item 2 > band > absolute: must be a number, not a text",
            "9:43: graphs > g > item 2 > band > mode: 'frist' is not one of first, last",
        ],
    ),
    (
        "a hostile expression",
        "    - from: plc\n    - filter: a.__class__\n    - to: hq\n",
        ["9:15: graphs > g > item 2 > filter: EXPRESSION"],
    ),
    (
        "a wire to nothing",
        "    nodes: {a: {from: plc}, b: {to: hq}}\n    wires: [a -> c]\n",
        [
            "8:37: graphs > g > nodes > b > to: inlet 'in' of 'b' is not wired (wire something to it)",
            "9:13: graphs > g > wires > item 1: there is no graph node 'c' (known: a, b)",
        ],
    ),
    (
        "a port that is not",
        "    nodes: {a: {from: plc}, b: {to: hq}}\n    wires: [a.out -> b.inn]\n",
        [
            "8:37: graphs > g > nodes > b > to: inlet 'in' of 'b' is not wired (wire something to it)",
            "9:13: graphs > g > wires > item 1: 'b' has no inlet 'inn' (did you mean 'in'?)",
        ],
    ),
    (
        "a port wired twice",
        "    nodes: {a: {from: plc}, b: {to: hq}}\n    wires: [a -> b, a.out -> b.in]\n",
        [
            "9:21: graphs > g > wires > item 2: inlet 'in' of 'b' is wired twice (put a `merge` in front of it)",
            "9:21: graphs > g > wires > item 2: outlet 'out' of 'a' is wired twice (put a `broadcast` behind it)",
        ],
    ),
    (
        "a node not wired",
        "    nodes: {a: {from: plc}, f: {filter: x > 1}, b: {to: hq}}\n    wires: [a -> b]\n",
        [
            "8:41: graphs > g > nodes > f > filter: inlet 'in' of 'f' is not wired (wire something to it)",
            "8:41: graphs > g > nodes > f > filter: outlet 'out' of 'f' is not wired (wire it to something; `ignore` throws away what it gets)",
        ],
    ),
    (
        "no wires",
        "    nodes: {a: {from: plc}}\n",
        ["7:3: graphs > g > wires: must be a list, not nothing (- plc -> filter -> hq)"],
    ),
    ("an unknown key of a graph", "    stepz: []\n", ["8:5: graphs > g > stepz: unknown key 'stepz' (did you mean 'steps'?)"]),
]


def _errors(checked: Checked) -> list[str]:
    return [str(error).removeprefix("node.yaml:") for error in checked.errors]


def _expect(checked: Checked, expected: list[str]) -> None:
    found = _errors(checked)
    assert found == expected
    assert checked.plan is None


def _cases(cases: list[tuple[str, str, list[str]]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("text", "expected"), [case[1:] for case in cases], ids=[case[0] for case in cases])


@_cases(WHOLE_FILE)  # type: ignore[arg-type]
def test_says_where_the_text_is_wrong_when_it_is_not_the_yaml_we_take(
    check: Callable[..., Checked], text: str, expected: list[str]
) -> None:
    """What is wrong with the YAML itself is named with line and column."""
    _expect(check(text), expected)


@_cases(SECTIONS)
def test_says_what_to_do_when_a_section_is_wrong(check: Callable[..., Checked], text: str, expected: list[str]) -> None:
    """Each error in one of our sections is exactly one line, with the place, the path, the error and the remedy."""
    _expect(check(text), expected)


@_cases(ADAPTERS)
def test_says_the_path_when_a_setting_of_an_adapter_is_wrong(
    check: Callable[..., Checked], text: str, expected: list[str]
) -> None:
    """Errors in an adapter's own settings have places like ours, all of them at once."""
    head = "node: {id: a}\nadapters:\n  plc: {kind: bus, channel: {serial: x},\n    "
    _expect(check(f"{head}{text}}}\n"), expected)


@_cases(CHANNELS)
def test_names_the_errors_of_the_form_that_was_meant_when_a_setting_has_several(
    check: Callable[..., Checked], text: str, expected: list[str]
) -> None:
    """Of a union only the branch that was meant is reported, not every branch."""
    _expect(check(f"node: {{id: a}}\nadapters:\n  plc: {{kind: bus, channel: {text}}}\n"), expected)


@_cases(GRAPHS)
def test_says_the_step_when_a_graph_is_wrong(check: Callable[..., Checked], text: str, expected: list[str]) -> None:
    """Errors in graphs name the step, the graph node or the wire."""
    checked = check(GRAPH + text)
    if expected[-1].endswith("EXPRESSION"):
        assert len(checked.errors) == 1
        assert str(checked.errors[0]).startswith("node.yaml:" + expected[0].removesuffix("EXPRESSION") + "expression, column 1: ")
        return
    _expect(checked, expected)


def test_reports_every_section_when_several_are_wrong(check: Callable[..., Checked]) -> None:
    """One error does not hide another: all sections are checked, and the order is that of the file."""
    text = "nod: 1\nnode: {id: A}\nadapters:\n  x: {kind: buss}\nuplinks:\n  u: {peers: []}\ngraphs:\n  g: [{from: y}, {to: u}]\n"
    lines = [error.place.line for error in check(text).errors]
    assert lines == [1, 2, 4, 6, 8]


def test_says_to_add_an_uplink_when_the_file_has_none(check: Callable[..., Checked]) -> None:
    """An adapter that only reads is no suggestion for `to`."""
    text = "node: {id: a}\nadapters:\n  plc: {kind: bus, channel: {serial: /dev/s0}}\ngraphs:\n  g: [{from: plc}, {to: cloud}]\n"
    hint = "the file has none: add `uplinks:` or `stores:`, with a name for each"
    _expect(check(text), [f"5:25: graphs > g > item 2 > to: there is no uplink, store or adapter 'cloud' ({hint})"])


def test_refuses_one_serial_port_in_two_adapters_when_both_claim_it(check: Callable[..., Checked]) -> None:
    """Two adapters that need the same serial port are an error that names both."""
    text = (
        "node: {id: a}\nadapters:\n  x: {kind: bus, channel: {serial: /dev/s0}}\n  y: {kind: bus, channel: {serial: /dev/s0}}\n"
    )
    _expect(
        check(text),
        [
            "4:36: adapters > y > channel > serial: the serial port /dev/s0 is used by the adapters 'x' and 'y' (only one can have it: give this one another, or join the two)"
        ],
    )


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (0o700, ([], [])),
        (0o755, ([], [])),
        (0o770, ([], ["1:24: node > data: its group may write into d (mode 0770) (chmod 700 d, or name another directory)"])),
        (0o777, (["1:24: node > data: everybody may write into d (mode 0777) (chmod 700 d, or name another directory)"], [])),
        (0o1777, (["1:24: node > data: everybody may write into d (mode 1777) (chmod 700 d, or name another directory)"], [])),
    ],
)
def test_refuses_a_data_directory_when_others_may_write_into_it(
    check: Callable[..., Checked], tmp_path: Path, mode: int, said: tuple[list[str], list[str]]
) -> None:
    """Whoever can write there can put files of theirs in the place of the node's: an error for everybody, a warning for a group."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d").chmod(mode)
    checked = check("node: {id: hall, data: d}\n")
    found = [[str(one).removeprefix("node.yaml:") for one in problems] for problems in (checked.errors, checked.warnings)]
    assert (found[0], found[1]) == said


def test_ends_early_when_aliases_multiply(check: Callable[..., Checked]) -> None:
    """A few lines that stand for a milliard of values are refused by counting, not by building them."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    found = _errors(check("\n".join(lines)))
    assert (
        found == ["5:5: more than 500000 values (aliases count as often as they are used)"]
        or "more than 500000 values" in found[0]
    )


def test_says_so_when_the_file_is_not_there(check: Callable[..., Checked]) -> None:
    """A file that cannot be read is an error like the others, not an exception."""
    from rt_edge.settings.load import load

    assert [str(e) for e in load(Path("no-such.yaml")).errors] == [
        "no-such.yaml: cannot be read: No such file or directory (name a readable file)"
    ]
