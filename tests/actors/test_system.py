"""A real actor system: sockets, clients, bombs, files."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import cast_of_actors as cast
import pytest
from thespian.actors import ActorAddress
from thespian.system import systemCommon
from thespian.system.messages.status import Thespian_StatusReq
from thespian.system.ratelimit import RateThrottle
from thespian.system.transport import TransmitIntent, asyncTransportBase

from rt_edge.actors.errors import AskTimeout, NoNode
from rt_edge.actors.system import ClientSystemBase, attach, hold_port, start_node
from rt_edge.actors.system import _open as open_system
from rt_edge.actors.transport.peer_user import listener_owner


def listeners(pids):
    """(address, port) of every TCP listener of these processes, IPv4 and IPv6."""
    inodes = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(entry.readlink())
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                host, port = fields[1].split(":")
                found.add((host, int(port, 16)))
    return found


def test_ask_is_answered_when_the_actor_is_alive(node):
    """A question is answered from another process, whatever its size."""
    echo = node.create(cast.Echo)
    assert node.ask(echo, cast.Say("hi", b"x" * 700_000), 5, cast.Say) == cast.Say("hi", b"x" * 700_000)
    assert node.ask(echo, cast.Where(), 5, cast.Where).pid != os.getpid()


def test_ask_ends_when_nobody_answers(node):
    """A question has a time limit, and the late answer to it does not answer the next one."""
    echo = node.create(cast.Echo)
    start, before = time.monotonic(), len(listeners([os.getpid()]))
    with pytest.raises(AskTimeout):
        node.ask(echo, cast.Counts(), 0.2, cast.Counts)
    assert time.monotonic() - start < 2
    assert len(listeners([os.getpid()])) == before
    assert node.ask(echo, cast.Say("next"), 5, cast.Say).text == "next"


def test_ask_fails_at_once_when_the_actor_is_gone(node):
    """A question to a dead actor does not wait for its time limit."""
    echo = node.create(cast.Echo)
    os.kill(node.ask(echo, cast.Where(), 5, cast.Where).pid, signal.SIGKILL)
    assert node.tree.wait_exit(5) is not None
    start = time.monotonic()
    with pytest.raises(NoNode):
        node.ask(echo, cast.Say("x"), 30, cast.Say)
    assert time.monotonic() - start < 5


def test_limits_of_thespian_are_ours_when_it_was_prepared(node):
    """A transmit is given up after 20 s, there is no governor, and silent targets cannot use up the slots."""
    assert TransmitIntent(node._system._systemBase.adminAddr, "x").expiration().duration == timedelta(seconds=20)
    assert RateThrottle(systemCommon.RATE_THROTTLE)._maxRate > 10**6
    assert asyncTransportBase.MAX_PENDING_TRANSMITS == 512


def test_all_sockets_are_on_loopback_when_the_system_runs(node, upstream_pki):
    """No process of the system, ours included, listens anywhere but on 127.0.0.1, except for the configured ingress."""
    ingress = node.create(cast.Ingress)
    port = node.ask(ingress, cast.Listen(upstream_pki, host="0.0.0.0"), 5, cast.Listen).port
    found = listeners([os.getpid(), *node.tree.members])
    assert ("0100007F", node.port) in found
    assert len(found) >= 5
    assert {(host, port) for host, port in found if host != "0100007F"} == {("00000000", port)}


def test_client_talks_to_the_node_when_it_attaches(node):
    """A client in the same user's hands reaches actors, and its leaving changes nothing."""
    echo = node.create(cast.Echo)
    with attach(node.port) as client:
        assert client.ask(echo, cast.Say("from outside"), 5, cast.Say).text == "from outside"
        assert not client.ping(echo, 5).loop
    assert node.ask(echo, cast.Say("still"), 5, cast.Say).text == "still"


def test_client_does_not_become_the_node_when_nothing_runs():
    """Attaching to a free port is an error, at once, and starts no process."""
    with hold_port() as held:
        port = held.getsockname()[1]
    with pytest.raises(NoNode), attach(port):
        pass
    with pytest.raises(NoNode):  # the node went away between the look and the call
        open_system(ClientSystemBase, port)
    assert listener_owner(Path("/proc/net/tcp").read_bytes(), port) is None


def test_client_gives_up_when_something_else_listens():
    """A port where no node answers is an error within seconds."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        start = time.monotonic()
        with pytest.raises(NoNode), attach(other.getsockname()[1]):
            pass
        assert time.monotonic() - start < 6


def test_held_port_is_given_to_nobody_else_when_many_ask():
    """While the port is held, the kernel hands it to no one; and it can be bound by its number."""
    with hold_port() as held:
        port = held.getsockname()[1]
        others = [hold_port() for _ in range(200)]
        try:
            assert port not in {other.getsockname()[1] for other in others}
        finally:
            for other in others:
                other.close()
        with socket.socket() as admin:
            admin.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            admin.bind(("127.0.0.1", port))
            admin.listen()


class Bomb:
    """Unpickling it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def wire(data):
    """A message as Thespian frames it."""
    return str(len(data)).encode() + b">" + data


def exchange(port, data):
    """What a loopback socket answers to these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        raw.sendall(data)
        try:
            return raw.recv(100)
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("who", ["admin", "logger", "actor", "main"])
def test_bomb_is_not_run_when_it_comes_to_a_loopback_socket(node, tmp_path, who):
    """Admin, logger, actor and main process refuse a pickle that names anything off the list, and go on."""
    echo = node.create(cast.Echo)
    mark = tmp_path / "ran"
    ports = {"admin": node.port, "actor": echo.addressDetails.sockname[1]}
    ports["logger"] = next(port for _, port in listeners([node.tree.find("logger")[0].pid]))
    [ports["main"]] = [port for _, port in listeners([os.getpid()])]
    bombs = [
        pickle.dumps((ActorAddress(None), Bomb(mark))),
        pickle.dumps(Bomb(mark)),
        pickle.dumps((ActorAddress(None), cast.Say(Bomb(mark)))),
        pickle.dumps((ActorAddress(None), Thespian_StatusReq())),
        b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR.",
        b"\x80\x04\x8c\x0fthespian.actors\x8c\x15ActorAddress.__init__\x93.",
    ]
    answers = []
    sender = threading.Thread(target=lambda: answers.extend(exchange(ports[who], wire(bomb)) for bomb in bombs))
    sender.start()
    while sender.is_alive():  # the main process reads its socket during calls only
        assert node._system.listen(0.02) is None
    sender.join()
    assert len(answers) == len(bombs)
    assert all(b"DATAERR" in answer for answer in answers), answers
    assert not mark.exists()
    assert node.ask(echo, cast.Say("alive"), 5, cast.Say).text == "alive"


def test_connection_is_closed_when_it_announces_too_much(node):
    """The size field alone closes a connection that announces a gigabyte."""
    echo = node.create(cast.Echo)
    for size in (b"1000000000", b"-5", b"-100000000000000000000"):
        assert exchange(echo.addressDetails.sockname[1], size + b">" + b"x" * 100) == b""
    assert node.ask(echo, cast.Say("alive"), 5, cast.Say).text == "alive"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_connection_is_refused_when_it_is_another_users(node):
    """A process of another user is cut off before a byte of it is read, at admin and actor, and cannot attach."""
    echo = node.create(cast.Echo)
    code = """
import socket, sys
for port in sys.argv[1:]:
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as raw:
        raw.settimeout(5)
        try:
            raw.sendall(b"3>abc")
            print(raw.recv(100))
        except ConnectionResetError:
            print(b"")
"""
    ports = [str(node.port), str(echo.addressDetails.sockname[1])]
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    out = subprocess.run(
        [python, "-c", code, *ports], user=65534, group=65534, capture_output=True, text=True, timeout=30, check=False
    )
    assert out.stdout.split() == ["b''", "b''"], out.stderr
    assert b"DATAERR" in exchange(int(ports[1]), b"3>abc")  # the same bytes from our own user are read, and refused


def test_no_file_is_left_when_a_system_has_run(tmp_path, monkeypatch):
    """Thespian's own log is nowhere by default, and in the named file when one is named."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with start_node() as first:
        exchange(first.port, wire(pickle.dumps(Bomb(tmp_path / "x"))))
    assert list(tmp_path.iterdir()) == []
    with start_node(thesplog=tmp_path / "thespian.log") as second:
        exchange(second.port, wire(pickle.dumps(Bomb(tmp_path / "x"))))
    assert [path.name for path in tmp_path.iterdir()] == ["thespian.log"]


def test_questions_are_answered_apart_when_they_come_from_several_threads(node):
    """Each question has an endpoint of its own, so threads do not get each other's answers."""
    echo = node.create(cast.Echo)
    with ThreadPoolExecutor(4) as pool:
        texts = [str(number) for number in range(40)]
        answers = list(pool.map(lambda text: node.ask(echo, cast.Say(text), 10, cast.Say).text, texts))
    assert answers == texts


def test_two_systems_run_beside_each_other_when_one_process_starts_both():
    """An edge and an upstream node can share a main process, and each ends alone."""
    with start_node() as first, start_node() as second:
        mine, other = first.create(cast.Echo), second.create(cast.Echo)
        assert first.ask(mine, cast.Say("1"), 5, cast.Say).text == "1"
        assert second.ask(other, cast.Say("2"), 5, cast.Say).text == "2"
        first.stop()
        assert second.ask(other, cast.Say("3"), 5, cast.Say).text == "3"


def test_refusals_are_logged_when_an_object_is_not_on_the_list(caplog):
    """Each refused name is logged once and counted always."""
    from rt_edge.actors.transport.serializer import AllowList

    allowed = AllowList()
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        with pytest.raises(pickle.UnpicklingError, match=r"refused pathlib\.Path\.touch|refused"):
            allowed.loads(pickle.dumps(Bomb(Path("x"))))
    assert sum(allowed.refused.values()) == 3
    assert len(caplog.records) == 1


LIFE = """
import sys
sys.path.insert(0, sys.argv[1])
import cast_of_actors as cast
from rt_edge.actors.system import start_node, attach
with start_node() as node:
    parent = node.create(cast.Parent)
    node.ask(parent, cast.Where(), 5, cast.Where)
    node.ask(node.create(cast.Looper), cast.Bounce(3), 5, cast.Bounce)
    with attach(node.port) as client:
        client.ask(node.create(cast.Echo), cast.Say("x"), 5, cast.Say)
"""


def test_nothing_is_refused_when_a_system_lives_its_whole_life():
    """Start, create, ask, attach, stop: every name that Thespian needs is on the list, and nothing is logged."""
    life = [sys.executable, "-c", LIFE, str(Path(__file__).parent)]
    done = subprocess.run(life, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
