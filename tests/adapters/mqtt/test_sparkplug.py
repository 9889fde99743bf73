"""Sparkplug B: births, aliases, sequence numbers, deaths, and when births are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.mqtt.seam import Message
from adapters.mqtt.sparkplug import REBIRTH_EVERY_S, SparkplugHost
from adapters.mqtt.sparkplug_payload import decode_payload
from rt_edge.sdk import CodecError, Reading
from rt_edge.testkit.adapter_harness import RecordingContext
from rt_edge.testkit.virtual_clock import VirtualClock
from tests.adapters.mqtt.test_protobuf import GOLDEN

PAYLOADS = {name: bytes.fromhex(text) for name, text in GOLDEN["sparkplug"].items()}
MS = 1_000_000


class World:
    """A host, and what it asked for."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.context = RecordingContext(folder, "hub", self.clock)
        self.asked: list[tuple[str, bytes]] = []
        self.host = SparkplugHost(self.context, lambda topic, payload: self.asked.append((topic, payload)))

    def hears(self, kind: str, payload: bytes | None = None, device: str = "", dup: bool = False) -> list[Reading]:
        topic = f"spBv1.0/g/{kind}/n" + (f"/{device}" if device else "")
        payload = PAYLOADS[kind.lower()] if payload is None else payload
        return self.host.readings(Message(topic, payload, 0, False, dup, 0), 77)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_values_have_names_and_types_when_births_came_first(world: World) -> None:
    """Signed integers of each width, arrays, null left out; data by alias alone; historical values under their own time."""
    (birth,) = world.hears("NBIRTH")
    assert (birth.source, birth.ts, birth.quality, birth.tags) == (
        "hub/g/n",
        1_700_000_000_000 * MS,
        "good",
        {"group": "g", "node": "n"},
    )
    wanted = {"Node Control/Rebirth": False, "temp": 21.5, "level": -7, "small": -2, "big": -9, "label": "ab"}
    assert birth.fields == wanted
    good, bad = world.hears("DBIRTH", device="d")
    assert (good.source, good.tags["device"], good.quality, bad.quality) == ("hub/g/n/d", "d", "good", "bad")
    assert bad.fields == {"bad": 1.0}
    bits = [True, False, True, True, False, False, False, False, False, True]
    arrays = {f"bits.{i}": bit for i, bit in enumerate(bits)} | {"wave.0": 1, "wave.1": -2, "wave.2": 300}
    assert good.fields == {"flow": 2.5, "words.0": "ab", "words.1": "cd", **arrays}
    live, old = world.hears("NDATA")
    assert (live.ts, live.fields) == (1_700_000_002_000 * MS, {"temp": 22.0, "level": -8})
    assert (old.ts, old.fields) == (1_600_000_000_000 * MS, {"temp": 9.0})
    (data,) = world.hears("DDATA", device="d")
    assert (data.fields, data.quality) == ({"flow": 3.5}, "good")
    assert not world.asked


def test_last_values_are_stale_when_a_device_or_node_dies(world: World) -> None:
    """DDEATH: that device; NDEATH: all that live, once; what was historical is not a last value."""
    world.hears("NBIRTH")
    world.hears("DBIRTH", device="d")
    world.hears("NDATA")
    world.hears("DDATA", device="d")
    (gone,) = world.hears("DDEATH", device="d")
    assert (gone.source, gone.quality, gone.fields["flow"], gone.ts) == ("hub/g/n/d", "stale", 3.5, 1_700_000_003_500 * MS)
    (node,) = world.hears("NDEATH")
    assert (node.source, node.quality, node.fields["temp"], node.fields["level"]) == ("hub/g/n", "stale", 22.0, -8)
    assert world.hears("NDEATH") == []


def test_all_devices_are_stale_when_the_node_dies(world: World) -> None:
    """One Reading for the node and one for each of its devices."""
    world.hears("NBIRTH")
    world.hears("DBIRTH", device="d")
    assert [(r.source, r.quality, r.tags.get("device")) for r in world.hears("NDEATH")] == [
        ("hub/g/n", "stale", None),
        ("hub/g/n/d", "stale", "d"),
    ]


def test_death_does_not_count_when_it_is_of_an_earlier_birth(world: World) -> None:
    """A will that comes after the node was born again has another bdSeq."""
    world.hears(
        "NBIRTH",
        PAYLOADS["nbirth"].replace(b"bdSeq\x18\x80\xd0\x95\xff\xbc1 \x08X\x04", b"bdSeq\x18\x80\xd0\x95\xff\xbc1 \x08X\x05"),
    )
    assert world.hears("NDEATH") == []
    assert world.context.counts["sparkplug_old_deaths"] == 1
    (data,) = world.hears("NDATA", PAYLOADS["ndata"].replace(b"\x18\x02", b"\x18\x01"))[:1]
    assert data.quality == "good"


def test_births_are_asked_for_when_nothing_is_known_of_a_node(world: World) -> None:
    """An alias without a birth: one request in 30 s, for that node; named metrics are read, as uncertain."""
    assert world.hears("NDATA") == []
    ((topic, payload),) = world.asked
    assert topic == "spBv1.0/g/NCMD/n"
    (metric,) = decode_payload(payload).metrics
    assert (metric.name, metric.datatype, metric.raw) == ("Node Control/Rebirth", 11, (14, 1))
    world.hears("DDATA", device="d")
    assert len(world.asked) == 1
    (named,) = world.hears("DDATA", b"\x12\x0d\x0a\x04temp\x65\x00\x00\xac\x41\x18\x05", "d")
    assert (named.quality, named.fields) == ("uncertain", {"temp": 21.5})
    world.clock.run_until(world.clock.monotonic() + REBIRTH_EVERY_S)
    world.hears("NDATA")
    assert len(world.asked) == 2
    assert world.context.counts["dropped_sparkplug_unknown_alias"] == 7


def test_births_are_asked_for_when_a_number_is_missing(world: World) -> None:
    """A gap in seq: read, uncertain, births asked for; 255 is followed by 0; a message that is sent again is no gap."""
    world.hears("NBIRTH")
    world.hears("DBIRTH", device="d")
    (data,) = world.hears("DDATA", device="d")  # 3, where 2 was to come
    assert (data.quality, len(world.asked), world.context.counts["sparkplug_gaps"]) == ("uncertain", 1, 1)
    (again,) = world.hears("DDATA", device="d", dup=True)
    assert (again.quality, world.context.counts["sparkplug_gaps"]) == ("good", 1)
    plain = PAYLOADS["ddata"].removesuffix(b"\x18\x03")
    for seq in range(4, 256):
        (data,) = world.hears("DDATA", plain + (b"\x18" + (bytes((seq,)) if seq < 128 else bytes((seq & 127 | 128, 1)))), "d")
        assert data.quality == "good", seq
    (data,) = world.hears("DDATA", plain + b"\x18\x00", "d")
    assert data.quality == "good"


def test_aliases_mean_nothing_any_more_when_a_node_is_born_again(world: World) -> None:
    """A birth replaces all that was known of the node and its devices."""
    world.hears("NBIRTH")
    world.hears("DBIRTH", device="d")
    world.hears("NBIRTH", b"\x08\x05\x18\x00")
    assert world.hears("DDATA", PAYLOADS["ddata"].replace(b"\x18\x03", b"\x18\x01"), "d") == []
    assert len(world.asked) == 1


@pytest.mark.parametrize("topic", ["spBv1.0/g/NDATA", "x/g/NDATA/n", "spBv1.0/g/NDATA/n/d", "spBv1.0/g/DDATA/n", "spBv1.0/g/X/n"])
def test_is_no_sparkplug_when_the_topic_is_another(world: World, topic: str) -> None:
    """Topics that are not of the namespace are errors of the payload; commands and host states are none of ours."""
    with pytest.raises(CodecError, match="no topic of Sparkplug B"):
        world.host.readings(Message(topic, b"", 0, False, False, 0), 0)
    for other in ("spBv1.0/g/NCMD/n", "spBv1.0/g/DCMD/n/d", "spBv1.0/STATE/host"):
        assert world.host.readings(Message(other, b"{}", 0, False, False, 0), 0) == []
