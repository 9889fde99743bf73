"""Whose socket is at the other end."""

from __future__ import annotations

import os
import socket

from rt_edge.actors.transport.peer_user import may_talk, owner, peer_user

TABLE = b"""  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 533 1 0 100 0 0 10 0
   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 534 1 0 100 0 0 10 0
   2: 0100007F:C351 0100007F:1F90 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0
"""
HERE = ("127.0.0.1", 8080)


def test_user_is_found_when_the_connection_is_alive():
    """The entry with the two addresses exchanged says who is there."""
    assert owner(TABLE, ("127.0.0.1", 50000), HERE) == 1001


def test_user_is_not_known_when_the_socket_belongs_to_no_process():
    """A closed connection shows user 0 and inode 0: that is not root."""
    assert owner(TABLE, ("127.0.0.1", 50001), HERE) is None
    assert not may_talk(None)


def test_user_is_not_known_when_there_is_no_entry():
    """An address that is not in the table belongs to nobody."""
    assert owner(TABLE, ("127.0.0.1", 1), HERE) is None


def test_own_user_may_talk_when_the_connection_is_real():
    """A real connection of this process is this user's, and nobody's once it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            assert peer_user(accepted) == os.geteuid()
            assert may_talk(peer_user(accepted))
            client.close()
            assert not may_talk(peer_user(accepted))


def test_other_users_may_not_talk_when_they_are_not_root():
    """Only the node's own user and root."""
    assert may_talk(0)
    assert may_talk(os.geteuid())
    assert not may_talk(os.geteuid() + 12345)
