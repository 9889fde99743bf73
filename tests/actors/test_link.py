"""Links between two hubs over real sockets."""

from __future__ import annotations

import socket
import ssl
import struct
import time

import pytest
from hubs import ANY, FROM_EDGES, FROM_UPSTREAM, PLAIN_EDGE, PLAIN_UPSTREAM, Side, linked, open_files, turn

from rt_edge.actors.transport.addresses import LinkDetails
from rt_edge.actors.transport.hub import MAX_UNPROVED
from rt_edge.actors.transport.identity import Admission, Identity
from rt_edge.actors.transport.link import NOT_ADMITTED, _tls
from rt_edge.actors.transport.messages import Frame, LinkDown, LinkLimits, LinkUp
from rt_edge.actors.transport.tls import NodePki, Plain, context
from rt_edge.data.errors import ConfigError
from rt_edge.testkit.pki import ThrowAwayCa


@pytest.fixture(autouse=True)
def released():
    yield
    while Side.alive:
        Side.alive.pop().hub.release()


@pytest.fixture(params=["tls", "plain"])
def pair(request, edge_pki, upstream_pki):
    return linked(edge_pki, upstream_pki) if request.param == "tls" else linked(PLAIN_EDGE, PLAIN_UPSTREAM)


def dialled(upstream, security, admission=FROM_UPSTREAM, port=None, limits=None):
    """A second hub that dials and is served until its fate is known."""
    edge = Side()
    edge.hub.dial("127.0.0.1", port, security, admission, limits)
    turn(edge, upstream, until=lambda: edge.got)
    return edge


def test_link_names_the_peer_by_its_certificate_when_it_is_up(pair):
    """Both sides learn role and node id of the other, and the session's address carries the node id."""
    edge, upstream = pair
    assert edge.of(LinkUp)[0][1] == LinkUp("up-a", "upstream", 1)
    assert upstream.of(LinkUp)[0][1] == LinkUp("hall-3", "edge", 0)
    assert (upstream.session.peer, edge.session.peer) == ("hall-3", "up-a")


def test_frames_arrive_in_order_and_whole_when_both_sides_send(pair):
    """Frames of all sizes, sent both ways at once, arrive complete and in order."""
    edge, upstream = pair
    sizes = [0, 1, 8, 100, 65_535, 65_536, 300_000, 1_000_000, 5]
    for number, size in enumerate(sizes):
        assert edge.hub.send(edge.session, Frame("batch", number, bytes([number]) * size))
        assert upstream.hub.send(upstream.session, Frame("confirm", 2**64 - 1 - number))
    turn(edge, upstream, until=lambda: len(upstream.frames) == len(edge.frames) == len(sizes))
    assert upstream.frames == [Frame("batch", n, bytes([n]) * size) for n, size in enumerate(sizes)]
    assert [frame.number for frame in edge.frames] == [2**64 - 1 - n for n in range(len(sizes))]


def test_send_fails_at_once_when_there_is_no_such_link(pair):
    """A session address of a link that is gone, or never was, takes nothing."""
    edge, upstream = pair
    assert not edge.hub.send(LinkDetails("up-a", 77), Frame("x", 1))
    session = edge.session
    edge.hub.close_link(session, "enough")
    assert not edge.hub.send(session, Frame("x", 1))
    turn(edge, upstream, until=lambda: upstream.down)
    assert edge.down == ["enough"]


def test_link_is_closed_when_a_frame_does_not_fit(edge_pki, upstream_pki):
    """A peer that does not read fills the buffer; the next frame closes the link with `window exceeded`."""
    edge, _silent = linked(edge_pki, upstream_pki, limits=LinkLimits(max_buffered=2 << 20))
    sent = 0
    while edge.hub.send(edge.session, Frame("batch", sent, b"z" * 60_000)):
        sent += 1
        assert sent < 1000
    assert edge.down[0].startswith("window exceeded")
    assert edge.of(LinkDown)[0][1].lost
    assert not edge.hub.links


def test_link_is_closed_when_the_peer_does_not_read_for_the_stall_time(edge_pki, upstream_pki):
    """Bytes that wait for 20 s end the link; bytes that move do not."""
    edge, upstream = linked(edge_pki, upstream_pki, limits=LinkLimits(max_buffered=64 << 20))
    link = edge.hub.links[edge.session]
    while link.buffered() < 8 << 20:
        edge.hub.send(edge.session, Frame("batch", 0, b"z" * 600_000))
    full = link.buffered()
    edge.clock.now += 19.9
    turn(edge, upstream, until=lambda: link.buffered() < full)
    assert link.buffered()
    edge.clock.now += 19.9
    edge.hub.tick()
    assert not edge.down
    edge.clock.now += 0.2
    assert edge.hub.deadline_in() == 0
    edge.hub.tick()
    assert edge.down == ["the peer did not read for 20 s"]


def test_link_stays_when_nothing_is_said_for_long(pair):
    """An idle link has no deadline."""
    edge, upstream = pair
    for side in pair:
        side.clock.now += 86_400
        side.hub.tick()
        assert side.hub.deadline_in() is None
    edge.hub.send(edge.session, Frame("x", 1))
    turn(edge, upstream, until=lambda: upstream.frames)


def test_connection_is_closed_when_it_does_not_finish_the_handshake(upstream_pki):
    """A client that connects and says nothing, or half of something, is closed after the handshake time."""
    upstream = Side()
    port = upstream.hub.listen("127.0.0.1", 0, upstream_pki, FROM_EDGES)
    with socket.create_connection(("127.0.0.1", port)) as idle:
        turn(upstream, until=lambda: upstream.hub.counters["accepted"] == 1)
        upstream.clock.now += 5.1
        upstream.hub.tick()
        assert upstream.hub.counters["refused"] == 1
        idle.settimeout(5)
        assert idle.recv(1) == b""


def test_dialler_hears_link_down_when_nobody_listens(edge_pki):
    """A refused connection is told with the number that dial returned."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        edge = Side()
        number = edge.hub.dial("127.0.0.1", free.getsockname()[1], edge_pki, FROM_UPSTREAM)
        turn(edge, until=lambda: edge.got)
    assert edge.got[0][1] == LinkDown("Connection refused", False, number)


def test_dialler_hears_link_down_when_the_name_has_no_address(edge_pki):
    """A name that cannot be resolved is told, without blocking the caller."""
    edge = Side()
    edge.hub.dial("no-such-host.invalid", 1900, edge_pki, FROM_UPSTREAM)
    turn(edge, until=lambda: edge.got, timeout=20)
    assert edge.down[0].startswith("no-such-host.invalid cannot be resolved")


def test_dialler_tries_all_addresses_when_a_name_has_several():
    """`localhost` is reached although the ingress listens on IPv4 alone."""
    upstream = Side()
    port = upstream.hub.listen("127.0.0.1", 0, PLAIN_UPSTREAM, FROM_EDGES)
    edge = Side()
    edge.hub.dial("localhost", port, PLAIN_EDGE, FROM_UPSTREAM)
    turn(edge, upstream, until=lambda: edge.of(LinkUp))


def foreign(ca, tmp_path):
    """Certificates that must not be let in: name -> (pki, part of the reason at the listener or the dialler)."""
    stranger = ThrowAwayCa(tmp_path / "other", "another CA").issue("edge", "hall-3")
    return {
        "of another CA": NodePki(ca.certificate, stranger.certificate, stranger.key),
        "expired": ca.issue("edge", "old", expired=True),
        "of no node": ca.issue("edge", "nameless", uris=()),
        "of two nodes": ca.issue("edge", "twice", uris=("rt-edge://edge/a", "rt-edge://upstream/b")),
        "of an unknown role": ca.issue("edge", "admin", uris=("rt-edge://admin/x",)),
        "of a bad name": ca.issue("edge", "bad", uris=("rt-edge://edge/../etc",)),
        "of a role not admitted": ca.issue("operator", "op"),
    }


@pytest.mark.parametrize(
    "which",
    ["of another CA", "expired", "of no node", "of two nodes", "of an unknown role", "of a bad name", "of a role not admitted"],
)
def test_ingress_makes_no_session_when_the_certificate_is(which, ca, tmp_path, upstream_pki):
    """No certificate but an edge's of this cluster gets as far as `LinkUp`, on either side."""
    upstream = Side()
    port = upstream.hub.listen("127.0.0.1", 0, upstream_pki, FROM_EDGES)
    edge = dialled(upstream, foreign(ca, tmp_path)[which], port=port)
    turn(edge, upstream, until=lambda: edge.down and not upstream.hub._unproved)
    assert not edge.of(LinkUp)
    assert not upstream.got


def test_new_connections_get_the_renewed_certificate_when_the_files_of_a_listener_change(tmp_path, caplog):
    """A listener whose certificate ran out works again as soon as its files are renewed, without a restart; files that are
    renewed only in part change nothing, and are said once."""
    ca = ThrowAwayCa(tmp_path)
    pki, edge_pki = ca.issue("upstream", "up-a", expired=True), ca.issue("edge", "hall-3")
    upstream = Side()
    port = upstream.hub.listen("127.0.0.1", 0, pki, FROM_EDGES)
    assert "expired" in dialled(upstream, edge_pki, port=port).down[0]
    whole = pki.certificate.read_bytes()
    pki.certificate.write_bytes(whole[: len(whole) // 2])
    for _ in range(2):
        assert "expired" in dialled(upstream, edge_pki, port=port).down[0]
    assert sum("the certificates of before" in record.message for record in caplog.records) == 1
    ca.issue("upstream", "up-a")
    first = dialled(upstream, edge_pki, port=port)
    assert first.of(LinkUp)
    other = ThrowAwayCa(tmp_path)  # everything is another cluster's now, at the same paths
    other.issue("upstream", "up-a")
    assert dialled(upstream, other.issue("edge", "hall-4"), port=port).of(LinkUp)
    assert first.hub.send(first.session, Frame("batch", 1)), "a link that is up stays"


def test_ingress_makes_no_session_when_there_is_no_certificate(ca, upstream_pki):
    """A TLS client without a certificate never becomes a session."""
    upstream = Side()
    port = upstream.hub.listen("127.0.0.1", 0, upstream_pki, FROM_EDGES)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(ca.certificate)
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.setblocking(False)
        tls = client.wrap_socket(raw, do_handshake_on_connect=False)
        refused = []

        def handshake():
            try:
                tls.do_handshake()
                tls.recv(1)
            except (ssl.SSLWantReadError, BlockingIOError):
                pass
            except OSError as error:
                refused.append(error)
            return refused and not upstream.hub._unproved

        turn(upstream, until=handshake)
        tls.close()
    assert not upstream.got


def test_a_refused_peer_is_warned_of_once_with_its_host_and_told_where_to_look(ca, upstream_pki, caplog):
    """Both ends say something that helps: one who was refused and why, the other that it was."""
    upstream = Side()
    port = upstream.hub.listen("127.0.0.1", 0, upstream_pki, Admission({"edge": None}))
    with caplog.at_level("WARNING", "rt_edge.actors.hub"):
        for _ in range(2):
            edge = dialled(upstream, ca.issue("operator", "desk"), port=port)
            assert edge.down == [NOT_ADMITTED]
    (line,) = caplog.messages
    assert line.endswith(
        "from 127.0.0.1 did not become a link: operator/desk is not admitted here: its role is operator, not edge"
    )


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        (
            "SSLV3_ALERT_CERTIFICATE_EXPIRED",
            "TLS: the peer refuses this node's certificate: it has expired (or a clock is wrong)",
        ),
        ("TLSV1_ALERT_UNKNOWN_CA", "TLS: the peer refuses this node's certificate: another CA signed it"),
        ("WRONG_VERSION_NUMBER", "TLS: WRONG_VERSION_NUMBER"),
    ],
)
def test_an_alert_of_the_peer_is_said_in_words(alert, words):
    """What OpenSSL calls it says nothing to who has to renew a certificate."""
    error = ssl.SSLError(1, alert)
    error.reason = alert
    assert _tls(error) == words


def test_the_file_that_is_not_there_is_named(ca, tmp_path):
    """Not the CA's, where it is the node's certificate that is missing."""
    pki = ca.issue("edge", "hall-3")
    with pytest.raises(ConfigError, match=r"gone\.pem cannot be read: No such file"):
        context(NodePki(pki.ca, tmp_path / "gone.pem", pki.key), server=False)


def test_dialler_refuses_when_the_peer_is_not_an_upstream(ca, edge_pki):
    """An edge's certificate cannot stand in for an upstream node's."""
    false = Side()
    port = false.hub.listen("127.0.0.1", 0, ca.issue("edge", "liar"), ANY)
    edge = dialled(false, edge_pki, port=port)
    assert edge.down == ["edge/liar is not admitted here: its role is edge, not upstream"]


def test_dialler_refuses_when_the_peer_is_another_node(edge_pki, upstream_pki):
    """A named peer must have that name."""
    upstream = Side()
    port = upstream.hub.listen("127.0.0.1", 0, upstream_pki, FROM_EDGES)
    edge = dialled(upstream, edge_pki, Admission({"upstream": None}, node="up-b"), port)
    assert edge.down == ["the peer is up-a, not up-b"]


def test_link_is_closed_when_the_peer_sends_a_kind_its_role_may_not():
    """The role decides which kinds a peer may send."""
    upstream, edge = Side(), Side()
    port = upstream.hub.listen("127.0.0.1", 0, PLAIN_UPSTREAM, Admission({"edge": frozenset({"batch"})}))
    edge.hub.dial("127.0.0.1", port, PLAIN_EDGE, FROM_UPSTREAM)
    turn(edge, upstream, until=lambda: edge.of(LinkUp) and upstream.of(LinkUp))
    edge.hub.send(edge.session, Frame("batch", 1))
    edge.hub.send(edge.session, Frame("confirm", 2))
    turn(edge, upstream, until=lambda: upstream.down)
    assert upstream.down == ["edge/hall-3 may not send 'confirm'"]
    assert upstream.frames == [Frame("batch", 1)]


PREFACE = b"RTEL\x01\x0bedge/hall-3"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", "does not speak this protocol"),
        (b"RTEL\x02\x00", "version 2"),
        (b"RTEL\x01\x04\xff\xff\xff\xff", "not ASCII"),
        (b"RTEL\x01\x00", "does not name a role and a node"),
        (b"RTEL\x01\x06root/x", "does not name a role and a node"),
        (PREFACE + struct.pack(">I", 0x7FFFFFFF), "a frame of 2147483647 bytes"),
        (PREFACE + struct.pack(">I", 3) + b"abc", "a frame of 3 bytes"),
        (PREFACE + struct.pack(">IBQ", 10, 40, 1) + b"x", "a kind of 40 characters"),
        (PREFACE + struct.pack(">IBQ", 10, 0, 1) + b"x", "a kind of 0 characters"),
        (PREFACE + struct.pack(">IBQ", 10, 1, 1) + b"\xff", "not ASCII"),
    ],
)
def test_connection_is_closed_when_the_bytes_mean_nothing(sent, reason, caplog):
    """Every malformed byte stream closes its connection with a reason, and the hub goes on."""
    caplog.set_level("INFO")
    upstream = Side()
    port = upstream.hub.listen("127.0.0.1", 0, PLAIN_UPSTREAM, FROM_EDGES)
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(sent)
        turn(upstream, until=lambda: upstream.hub.counters["down"] + upstream.hub.counters["refused"] == 1)
    assert reason in "".join(upstream.down) + caplog.text
    edge = dialled(upstream, PLAIN_EDGE, port=port)
    assert edge.of(LinkUp)


def test_plain_link_is_refused_when_the_address_is_not_loopback(edge_pki):
    """Off loopback there is no link without TLS, neither dialled nor listened for."""
    side = Side()
    for host in ("0.0.0.0", "", "192.0.2.1", "example.org", "::"):
        with pytest.raises(ConfigError, match="no TLS"):
            side.hub.listen(host, 0, PLAIN_UPSTREAM, FROM_EDGES)
        with pytest.raises(ConfigError, match="no TLS"):
            side.hub.dial(host, 1, Plain(Identity("edge", "x")), FROM_UPSTREAM)


def test_context_is_refused_when_others_may_read_the_key(ca):
    """A private key that others can read is an error of the configuration, and the testkit's are mode 0600."""
    pki = ca.issue("edge", "open-key")
    assert pki.key.stat().st_mode & 0o777 == 0o600
    pki.key.chmod(0o644)
    with pytest.raises(ConfigError, match="mode 0644"):
        context(pki, server=False)


def test_listen_says_why_when_the_port_is_taken(upstream_pki):
    """A port in use is an error with its reason."""
    first, second = Side(), Side()
    port = first.hub.listen("127.0.0.1", 0, upstream_pki, FROM_EDGES)
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
        second.hub.listen("127.0.0.1", port, upstream_pki, FROM_EDGES)


def test_session_numbers_do_not_repeat_when_an_edge_comes_again(edge_pki, upstream_pki):
    """A reply to the old session reaches nobody after the edge has a new one."""
    edge, upstream = linked(edge_pki, upstream_pki)
    old = upstream.session
    edge.hub.close_link(edge.session, "again")
    turn(edge, upstream, until=lambda: upstream.down)
    port = upstream.hub._listeners[0].sock.getsockname()[1]
    edge.got.clear()
    edge.hub.dial("127.0.0.1", port, edge_pki, FROM_UPSTREAM)
    turn(edge, upstream, until=lambda: edge.of(LinkUp) and len(upstream.of(LinkUp)) == 2)
    assert upstream.session != old
    assert not upstream.hub.send(old, Frame("late", 1))
    assert not edge.frames


def test_no_descriptor_is_left_when_links_have_come_and_gone(edge_pki, upstream_pki):
    """A hundred refused, closed and released links leave no descriptor open."""
    before = open_files()
    for _ in range(25):
        edge, upstream = linked(edge_pki, upstream_pki)
        edge.hub.dial("127.0.0.1", 1, edge_pki, FROM_UPSTREAM)
        with socket.create_connection(("127.0.0.1", upstream.hub._listeners[0].sock.getsockname()[1])) as raw:
            raw.sendall(b"nonsense")
            turn(upstream, edge, until=lambda: upstream.hub.counters["refused"])  # noqa: B023 - used at once
        edge.hub.release()
        upstream.hub.release()
    assert open_files() <= before


def test_healthy_link_keeps_its_pace_when_25_peers_do_not_read(ca, edge_pki, upstream_pki):
    """Peers that never read are bounded and then closed; a healthy one gets its answers meanwhile."""
    limits = LinkLimits(max_buffered=1 << 20)
    edge, upstream = linked(edge_pki, upstream_pki, peer_limits=limits)
    port = upstream.hub._listeners[0].sock.getsockname()[1]
    healthy, silent = upstream.session, []
    for number in range(25):
        peer = dialled(upstream, ca.issue("edge", f"silent-{number}"), port=port)
        turn(peer, upstream, until=lambda peer=peer: peer.of(LinkUp))
        silent.append(upstream.session)
    assert len(upstream.hub.links) == 26
    took = []
    for number in range(200):
        for session in silent:
            upstream.hub.send(session, Frame("confirm", number, b"z" * 60_000))
        assert sum(map(upstream.hub.buffered, silent)) <= 25 * limits.max_buffered
        start = time.perf_counter()
        edge.hub.send(edge.session, Frame("batch", number, b"z" * 60_000))
        turn(edge, upstream, until=lambda number=number: len(upstream.frames) > number)
        upstream.hub.send(healthy, Frame("confirm", number))
        turn(edge, upstream, until=lambda number=number: len(edge.frames) > number)
        took.append(time.perf_counter() - start)
    print(f"exchange beside 25 silent peers: median {sorted(took)[100] * 1e3:.2f} ms, worst {max(took) * 1e3:.2f} ms")
    assert sorted(took)[100] < 0.05
    assert len(upstream.down) == 25
    assert all(reason.startswith("window exceeded") for reason in upstream.down)
    assert list(upstream.hub.links) == [healthy]


def test_node_is_let_in_when_silent_connections_have_taken_all_places(edge_pki, upstream_pki):
    """More connections than there are places, none of which says a word, keep no node out, and are no more than the places."""
    upstream = Side()
    port = upstream.hub.listen("127.0.0.1", 0, upstream_pki, FROM_EDGES)
    silent = []
    try:
        for _ in range(MAX_UNPROVED + 50):
            silent.append(socket.create_connection(("127.0.0.1", port), timeout=5))
            turn(upstream, until=lambda: upstream.hub.counters["accepted"] == len(silent))
        assert upstream.hub.counters["displaced"] == 50
        assert len(upstream.hub.filenos()) == MAX_UNPROVED + 1
        edge = dialled(upstream, edge_pki, port=port)
        assert edge.of(LinkUp)
    finally:
        for sock in silent:
            sock.close()
