"""`rt-edge scan serial`: ports under the names that stay."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rt_edge.cli.app import main


def test_ports_are_listed_by_their_stable_names_when_there_are_links(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that is there, one whose device was unplugged; neither is opened."""
    master, slave = os.openpty()
    device = os.ttyname(slave)
    os.close(slave)
    try:
        (tmp_path / "usb-FTDI_0001-if00").symlink_to(device)
        (tmp_path / "usb-Gone_0002-if00").symlink_to(tmp_path / "ttyUSB99")
        assert main(["scan", "serial", str(tmp_path), "--json"]) == 0
    finally:
        os.close(master)
    found = [one for one in json.loads(capsys.readouterr().out)["found"] if one["name"].startswith(str(tmp_path))]
    assert [(one["name"], one["details"]["device"], one["details"]["plugged_in"]) for one in found] == [
        (str(tmp_path / "usb-FTDI_0001-if00"), device, True),
        (str(tmp_path / "usb-Gone_0002-if00"), str(tmp_path / "ttyUSB99"), False),
    ]
    assert found[0]["settings"] == {"port": str(tmp_path / "usb-FTDI_0001-if00")}
