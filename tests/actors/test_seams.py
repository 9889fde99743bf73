"""Each private name of Thespian that is used is checked at start."""

from __future__ import annotations

import importlib
from importlib import metadata

import pytest

from rt_edge.actors.transport import seams
from rt_edge.actors.transport.seams import SEAMS, Seam, check_seam, check_seams
from rt_edge.data.errors import InternalError


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: f"{seam.module.rpartition('.')[2]}.{seam.path}")
def test_seam_is_named_when_it_is_missing(seam, monkeypatch):
    """With the name there the check passes; without it, start-up fails and the error names it."""
    check_seam(seam)
    owner = importlib.import_module(seam.module)
    *path, last = seam.path.split(".")
    for part in path:
        owner = getattr(owner, part)
    monkeypatch.delattr(owner, last)
    with pytest.raises(InternalError, match=f"{seam.path} of Thespian is missing"):
        check_seam(seam)


def test_start_fails_when_a_seam_is_missing(monkeypatch):
    """`check_seams`, which every start calls, raises when any seam is not there."""
    check_seams()
    monkeypatch.delattr("thespian.system.transport.TCPTransport.TCPTransport.set_watch")
    with pytest.raises(InternalError, match=r"TCPTransport\.set_watch of Thespian is missing"):
        check_seams()


def test_seam_is_named_when_its_parameters_changed():
    """A method with other parameters is not the seam."""
    with pytest.raises(InternalError, match="its parameters are"):
        check_seam(Seam("thespian.system.transport.TCPTransport", "TCPTransport.set_watch", ("self", "other")))


def test_seam_is_named_when_the_field_it_reads_was_renamed():
    """A field is checked in the code of the method that uses it."""
    with pytest.raises(InternalError, match="does not use `_incomingSocketz`"):
        check_seam(Seam("thespian.system.transport.TCPTransport", "TCPTransport.close", None, ("_incomingSocketz",)))


def test_start_fails_when_the_version_is_another(monkeypatch):
    """Another version of Thespian is refused by number."""
    monkeypatch.setattr(seams, "installed_version", lambda: "4.1.0")
    with pytest.raises(InternalError, match=r"Thespian 4\.1\.0 is installed"):
        check_seams()


def test_the_version_is_that_of_the_metadata_when_its_folder_is_there_or_not(monkeypatch, tmp_path):
    """The short way and importlib.metadata say the same."""
    assert seams.installed_version() == metadata.version("thespian")
    monkeypatch.setattr("thespian.__file__", str(tmp_path / "thespian" / "__init__.py"))
    assert seams.installed_version() == metadata.version("thespian")


def test_the_folder_of_the_metadata_decides_when_it_is_of_another_version(monkeypatch, tmp_path):
    """What lies beside the package that is imported."""
    (tmp_path / "thespian-4.2.0.dist-info").mkdir()
    monkeypatch.setattr("thespian.__file__", str(tmp_path / "thespian" / "__init__.py"))
    with pytest.raises(InternalError, match=r"Thespian 4\.2\.0 is installed"):
        check_seams()
