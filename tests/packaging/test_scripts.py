"""The set-up finds its way from the configuration of the machine alone: apt's sources and pip's index."""

from __future__ import annotations

import functools
import hashlib
import http.server
import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of scripts/, as its script sees it."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scripts/_apt.py."""
    return load("_apt", monkeypatch)


@pytest.fixture
def get_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """scripts/_get_pip.py, for a user without any configuration of pip."""
    for name in ("PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "xdg"))
    return load("_get_pip", monkeypatch)


ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [arch=arm64 signed-by=/usr/share/keyrings/k.gpg] https://mirror.example/debian bookworm main contrib  # why
deb https://mirror.example/debian bookworm-updates main
deb-src https://mirror.example/debian bookworm main
deb http://other.example/tools bookworm stable
"""
STANZAS = """\
# the mirror
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main non-free-firmware
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 AAAA
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main
"""


def test_backports_are_derived_when_sources_are_one_line_entries(apt: ModuleType, tmp_path: Path) -> None:
    """The entry of the release with component main keeps its mirror, options and components; others are passed over."""
    (tmp_path / "sources.list").write_text(ONE_LINE)
    derived = apt.sources_of("bookworm", "-backports", etc=tmp_path)
    assert derived.one_line == [
        "deb [arch=arm64 signed-by=/usr/share/keyrings/k.gpg] https://mirror.example/debian bookworm-backports main contrib"
    ]
    assert derived.stanzas == []


def test_backports_are_derived_when_sources_are_stanzas(apt: ModuleType, tmp_path: Path) -> None:
    """The enabled stanza of the release keeps its mirror and its key; suites and types are replaced."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(STANZAS)
    (stanza,) = apt.sources_of("bookworm", "-backports", etc=tmp_path).stanzas
    assert stanza.splitlines()[:4] == [
        "Types: deb",
        "URIs: http://mirror.example/debian",
        "Suites: bookworm-backports",
        "Components: main non-free-firmware",
    ]
    assert stanza.splitlines()[-4:] == STANZAS.splitlines()[6:10]


def test_no_sources_are_derived_when_the_release_is_not_configured(apt: ModuleType, tmp_path: Path) -> None:
    """A machine of another release gives no entries, so nothing is fetched from a wrong one."""
    (tmp_path / "sources.list").write_text(ONE_LINE)
    assert not apt.sources_of("trixie", "-backports", etc=tmp_path)


def test_peers_say_what_cannot_be_had_when_no_mirror_answers(tmp_path: Path) -> None:
    """Without a mirror, and without such a program on the host, there is one line about the package and exit code 1."""
    host = tmp_path / "host"
    host.mkdir()
    for name in ("apt-get", "apt-cache", "dpkg", "dpkg-query", "dpkg-deb"):
        (host / name).write_text("#!/bin/sh\necho 'E: no mirror here' >&2\nexit 100\n")
        (host / name).chmod(0o755)
    done = subprocess.run(
        [sys.executable, SCRIPTS / "_peers.py", "--into", tmp_path / "peers", "mbpoll"],
        env={"PATH": str(host)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == ""
    assert "mbpoll cannot be had" in done.stdout.splitlines()[-1]
    assert "E: no mirror here" in done.stdout


def test_setting_is_the_most_special_one_when_pip_is_configured_twice(get_pip: ModuleType, tmp_path: Path) -> None:
    """A variable beats the user's file, the section of a command beats [global], the user's file beats the machine's."""
    home = tmp_path / ".config" / "pip"
    home.mkdir(parents=True)
    (home / "pip.conf").write_text("[global]\nindex-url = http://user.example\ntimeout = 7\n[install]\ncert = /c.pem\n")
    (tmp_path / "xdg" / "pip").mkdir(parents=True)
    (tmp_path / "xdg" / "pip" / "pip.conf").write_text("[global]\nindex_url = http://machine.example\nproxy = http://p:1\n")
    read = get_pip.pip_settings({"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "xdg"), "PIP_TIMEOUT": "9"})
    assert {key: read[key] for key in ("index-url", "timeout", "cert", "proxy")} == {
        "index-url": "http://user.example",
        "timeout": "9",
        "cert": "/c.pem",
        "proxy": "http://p:1",
    }


def test_files_are_not_read_when_pip_is_told_to_ignore_them(get_pip: ModuleType, tmp_path: Path) -> None:
    """PIP_CONFIG_FILE=/dev/null leaves the environment alone, as with pip."""
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip" / "pip.conf").write_text("[global]\nindex-url = http://user.example\n")
    assert "index-url" in get_pip.pip_settings({"HOME": str(tmp_path)})
    assert "index-url" not in get_pip.pip_settings({"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"})


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A static server that does not log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


@pytest.fixture
def index(tmp_path: Path, get_pip: ModuleType) -> Iterator[tuple[str, Path]]:
    """A simple index on a free port, with a page about pip; gives its address and its folder of files."""
    page = tmp_path / "index" / "simple" / "pip"
    page.mkdir(parents=True)
    files = tmp_path / "index" / "files"
    files.mkdir()
    (page / "index.html").write_text(
        f'<a href="/files/pip-1.0.tar.gz">x</a> <a href="../../files/{get_pip.WHEEL}#sha256=0">y</a>'
    )
    handler = functools.partial(Quiet, directory=str(tmp_path / "index"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple", files
        server.shutdown()
        thread.join()


def test_pip_comes_from_the_index_when_one_is_configured(
    get_pip: ModuleType, index: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel is fetched from the index of PIP_INDEX_URL, over its relative link."""
    address, files = index
    (files / get_pip.WHEEL).write_bytes(b"wheel")
    monkeypatch.setenv("PIP_INDEX_URL", address)
    (tmp_path / "got").mkdir()
    get_pip.from_configured_index(tmp_path / "got")
    assert (tmp_path / "got" / get_pip.WHEEL).read_bytes() == b"wheel"


def test_pip_is_refused_when_its_hash_is_not_the_pinned_one(
    get_pip: ModuleType,
    index: tuple[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A changed wheel is deleted, named in one line, and not used; the true one is used."""
    address, files = index
    (files / get_pip.WHEEL).write_bytes(b"changed")
    monkeypatch.setenv("PIP_INDEX_URL", address)
    monkeypatch.setattr(get_pip, "by_pip_of_the_host", lambda folder: None)
    monkeypatch.setattr(get_pip, "by_pip_of_the_archive", get_pip.by_pip_of_the_host)
    monkeypatch.setattr(sys, "argv", ["_get_pip.py", str(tmp_path / "got")])
    assert get_pip.main() == 1
    assert "its SHA-256 is not the pinned one" in capsys.readouterr().err
    assert not (tmp_path / "got" / get_pip.WHEEL).exists()
    monkeypatch.setattr(get_pip, "SHA256", hashlib.sha256(b"changed").hexdigest())
    assert get_pip.main() == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "got" / get_pip.WHEEL)


def test_no_index_is_guessed_when_none_is_configured(
    get_pip: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an index in the configuration this way says so and asks nobody."""
    monkeypatch.setattr(get_pip, "pip_settings", lambda environ: {})
    with pytest.raises(get_pip.NotHere, match="no index"):
        get_pip.from_configured_index(tmp_path)


def test_password_is_not_shown_when_an_index_does_not_answer(
    get_pip: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line about an index that cannot be reached has its address without user and password."""
    monkeypatch.setattr(
        get_pip, "pip_settings", lambda environ: {"index-url": "http://me:secret@127.0.0.1:1/simple", "timeout": "5"}
    )
    with pytest.raises(get_pip.NotHere) as caught:
        get_pip.from_configured_index(tmp_path)
    assert "http://127.0.0.1:1/simple" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["setup", "test", "check", "demo", "peers"])
def test_script_is_a_shell_program_when_parsed(name: str) -> None:
    """Each script of the README may be executed and is read by a plain POSIX shell."""
    script = SCRIPTS / name
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False).stderr == ""


def test_set_up_is_refused_in_a_line_when_its_argument_is_unknown() -> None:
    """An unknown kind of set-up is a usage error, and touches nothing."""
    done = subprocess.run([SCRIPTS / "setup", "everything"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == ["setup: unknown 'everything': scripts/setup [demo|dev]"]
