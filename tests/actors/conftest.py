"""Shared by the tests of the actors: the actor classes are imported by name, here and in the children."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rt_edge.actors.system import start_node
from rt_edge.testkit.pki import ThrowAwayCa


@pytest.fixture(scope="module")
def node():
    with start_node() as system:
        yield system


@pytest.fixture(scope="session")
def ca(tmp_path_factory):
    return ThrowAwayCa(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def edge_pki(ca):
    return ca.issue("edge", "hall-3")


@pytest.fixture(scope="session")
def upstream_pki(ca):
    return ca.issue("upstream", "up-a")
