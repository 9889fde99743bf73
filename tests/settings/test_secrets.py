"""Secrets: read late, never shown."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from rt_edge.data.errors import FatalAdapterError
from rt_edge.sdk.secret import Secret
from rt_edge.settings.load import Checked
from rt_edge.settings.secrets import check_secrets

TEXT = """\
node: {id: a}
adapters:
  plc: {kind: bus, channel: {serial: x}, password: PASSWORD}
graphs: {g: [{from: plc}, {to: s}]}
stores: {s: {kind: sqlite}}
"""


def test_is_never_shown_when_printed_formatted_or_logged() -> None:
    """No form of text has the value."""
    secret = Secret(literal="hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret!s:>20}"
    assert secret.reveal() == "hunter2"
    assert pickle.loads(pickle.dumps(secret)) == secret


def test_stays_masked_when_the_plan_is_printed(check: Callable[..., Checked]) -> None:
    """The settings an adapter gets show where a secret comes from, never what it is."""
    checked = check(TEXT.replace("PASSWORD", "hunter2"))
    assert checked.plan is not None
    assert "hunter2" not in repr(checked.plan.adapters["plc"].frozen())
    assert "hunter2" not in repr(checked.plan)


def test_warns_when_a_secret_stands_in_the_file(check: Callable[..., Checked]) -> None:
    """A literal secret works, and is warned of, without repeating it."""
    checked = check(TEXT.replace("PASSWORD", "hunter2"))
    assert [str(w) for w in checked.warnings] == [
        "node.yaml:3:52: adapters > plc > password: a secret stands in the file itself (write {file: PATH} or {env: NAME})"
    ]


@pytest.mark.parametrize("written", ["{fil: hunter2}", "[hunter2]", "{file: hunter2, env: hunter2}", "17"])
def test_is_not_repeated_when_it_is_written_wrongly(check: Callable[..., Checked], written: str) -> None:
    """The error about a secret does not quote it."""
    checked = check(TEXT.replace("PASSWORD", written))
    assert checked.errors
    assert "hunter2" not in "".join(str(e) for e in checked.errors)


def test_is_not_read_when_a_configuration_is_checked(check: Callable[..., Checked]) -> None:
    """A check on another machine than the gateway's does not need the secrets."""
    assert check(TEXT.replace("PASSWORD", "{file: /no/such/file}")).errors == ()


def test_is_read_when_the_check_is_asked_to(check: Callable[..., Checked], monkeypatch: pytest.MonkeyPatch) -> None:
    """`--secrets` reads each one and names those that are not there."""
    monkeypatch.delenv("NO_SUCH_SECRET", raising=False)
    checked = check(TEXT.replace("PASSWORD", "{env: NO_SUCH_SECRET}"), checks=[check_secrets])
    path = "node.yaml:3:42: adapters > plc > password: secret: "
    expected = path + "the environment variable NO_SUCH_SECRET is not set (set it for the service)"
    assert [str(e) for e in checked.errors] == [expected]


def test_is_read_anew_when_its_file_changes(tmp_path: Path) -> None:
    """A rotated file counts from the next connection on; the newline at its end is not part of it."""
    file = tmp_path / "secret"
    file.write_text("one\n")
    secret = Secret(file=str(file))
    assert secret.reveal() == "one"
    file.write_text("two")
    assert secret.reveal() == "two"


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"\n", "empty"), (b"\xff", "UTF-8"), (b"x" * 70_000, "larger")])
def test_is_refused_when_its_file_cannot_be_one(tmp_path: Path, content: bytes, reason: str) -> None:
    """An empty, binary or huge file is an error that names it, not a wrong password."""
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(FatalAdapterError, match=reason):
        Secret(file=str(file)).reveal()
