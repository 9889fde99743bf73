"""What crosses a loopback socket has the names that every supported Python writes."""

from __future__ import annotations

import pickle
import socket

import pytest

from rt_edge.actors.transport.serializer import ALLOWED


@pytest.mark.parametrize("name", ["AF_INET", "SOCK_STREAM"])
def test_constant_of_an_address_is_let_through_when_it_was_pickled_by_its_global_name(name):
    """Python 3.11.0 to 3.11.3 pickles members of an IntEnum by their global names, and no actor address would arrive."""
    assert ALLOWED.loads(b"csocket\n" + name.encode() + b"\n.") is getattr(socket, name)


def test_other_names_of_that_module_are_refused_when_they_come():
    """The module is not open for the sake of two constants."""
    with pytest.raises(pickle.UnpicklingError, match=r"socket\.socket"):
        ALLOWED.loads(b"csocket\nsocket\n.")
