"""Temporary folders that outlive nobody for long."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from rt_edge.testkit.scratch import scratch_folder, sweep


@pytest.fixture(name="place")
def _place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folder_is_there_while_it_is_used_and_gone_afterwards(place):
    """Of this user only, also when what used it raised."""

    def use():
        with scratch_folder("one-") as folder:
            assert folder.parent == place
            assert folder.stat().st_mode & 0o777 == 0o700
            (folder / "file").write_text("x")
            raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        use()
    assert not list(place.iterdir())


def test_only_folders_of_the_dead_are_swept(place):
    """One in use, one of another prefix, a file and a link to somewhere else stay."""
    (place / "one-dead").mkdir()
    (place / "one-dead" / "file").write_text("x")
    (place / "two-dead").mkdir()
    (place / "one-file").write_text("x")
    (place / "one-link").symlink_to(place / "two-dead")
    with scratch_folder("one-") as used:
        assert sorted(path.name for path in place.iterdir()) == sorted(["two-dead", "one-file", "one-link", used.name])
        assert sweep("one-") == []


def test_folder_that_is_swept_before_it_is_held_is_made_anew(place, monkeypatch):
    """Two that start at the same moment have one each."""
    made, real = [], tempfile.mkdtemp

    def mkdtemp(**more):
        made.append(real(**more))
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    with scratch_folder("one-") as folder:
        assert str(folder) == made[1]
        assert folder.exists()
