"""delimiter_decode: contract and own cases; what all stages share that make frames of bytes is tested here."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stage import Hold
from rt_edge.streams.stages.delimiter_decode import DelimiterDecode
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract, SupervisionContract, raising


def lines(data: bytes) -> list[bytes]:
    """The obvious function."""
    return [line for line in data.split(b"\n")[:-1] if line]


class TestDelimiterDecode(StageContract):
    """Pieces that end anywhere: several to a line, several lines to a piece, none."""

    shares = True
    drops_again = "bytes that come in another order are no frames"
    takes = "an element has its outcome when it is known that no frame needs more of it"

    def make(self) -> DelimiterDecode:
        return DelimiterDecode()

    def item(self, n: int) -> bytes:
        return [b"a%d" % n, b"b\nc\nd", b"", b"\n", b"\n\ne%d\n" % n, b"f"][n % 6]

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [lines(b"".join(inputs[0]))]


class TestSettlingEarly(TestDelimiterDecode):
    def make(self) -> DelimiterDecode:
        return DelimiterDecode(settle="early")


class TestFieldOfReadings(SupervisionContract):
    """Two devices, each with a stream of its own."""

    drops_again = "bytes that come in another order are no frames"

    def make(self) -> DelimiterDecode:
        return DelimiterDecode(field="raw")

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 2}", n, {"raw": b"a%d\n" % n if n % 5 else b"x", "other": n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        out, rest = [], {"plc/0": b"", "plc/1": b""}
        for reading in inputs[0]:
            *whole, rest[reading.source] = (rest[reading.source] + reading.fields["raw"]).split(b"\n")
            out += [Reading(reading.source, reading.ts, {"raw": line, "other": reading.fields["other"]}) for line in whole]
        return [out]

    def make_failing(self, on_error: Any) -> DelimiterDecode:
        return DelimiterDecode(per=raising(lambda n: n), on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any] | None:
        return None

    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("on_error", ["stop", "resume", "restart"])
    def test_only_the_guilty_element_fails_when_user_code_raises(self, seed: int, on_error: Any) -> None:
        """The elements of the contract are numbers, which are no bytes: see the case below."""


@pytest.mark.parametrize("on_error", ["resume", "restart", "stop"])
def test_element_fails_when_it_is_not_bytes(on_error: Any) -> None:
    """Under resume it fails alone; under restart what there is of a frame fails, too."""
    with StageBench(DelimiterDecode(on_error=on_error)) as bench:
        bench.sink.request(100)
        bench.source.send(b"a\nb", 5, b"c\n")
        outcomes = bench.source.outcomes
        assert 1 in outcomes.failed()
        assert "bytes are needed, not int" in str(outcomes.by_mark[1])
        if on_error == "stop":
            bench.sink.expect_next(b"a")
            assert isinstance(bench.sink.error, TypeError)
        elif on_error == "resume":
            bench.sink.expect_next(b"a", b"bc")


def test_element_is_settled_when_all_its_frames_are() -> None:
    """One that begins a frame and one that ends it have the outcome of the frame, the worst of several."""
    with StageBench(DelimiterDecode(), keep=True) as bench:
        bench.sink.request(100)
        bench.source.send(b"one\ntw", b"o", b"\nthree\n", b"\n", b"fo")
        bench.sink.expect_next(b"one", b"two", b"three")
        assert bench.source.outcomes.by_mark == {3: bench.source.outcomes.by_mark[3]}
        assert bench.source.outcomes.dropped("garbage") == [3]
        [chunk] = bench.sink.held
        bench.sink.held = []
        one, rest = chunk.cut(1)
        two, three = rest.cut(1)
        one.settle()
        three.settle()
        assert sorted(bench.source.outcomes.by_mark) == [3]
        two.fail(ValueError("a test"))
        assert bench.source.outcomes.failed() == [0, 1, 2]
        bench.source.complete()
        assert bench.source.outcomes.dropped("incomplete") == [4]
        assert bench.counters["dropped_incomplete"] == 1


def test_frame_that_is_too_long_is_left_out_and_counted() -> None:
    """Up to its delimiter; the next one comes."""
    with StageBench(DelimiterDecode(max_length=4)) as bench:
        bench.sink.request(100)
        bench.source.send(b"much ", b"too ", b"long\nok\n")
        bench.sink.expect_next(b"ok")
        assert bench.counters["oversize"] == 1
        assert bench.counters["garbage_bytes"] == 14
        assert bench.source.outcomes.dropped("garbage") == [0, 1]
        assert bench.source.outcomes.stored() == [2]


def test_frame_begins_anew_when_there_is_a_gap() -> None:
    """Bytes are missing behind a gap; what passes keeps its place."""
    gap = gap_reading("a", "offline", 1, 2)
    other = Reading("a", 3, {"q": 1})
    with StageBench(DelimiterDecode(field="raw")) as bench:
        bench.sink.request(100)
        bench.source.send(Reading("a", 1, {"raw": b"x\nha"}), gap, other, Reading("a", 4, {"raw": b"lf\n"}))
        bench.sink.expect_next(Reading("a", 1, {"raw": b"x"}), gap, other, Reading("a", 4, {"raw": b"lf"}))
        assert bench.counters["garbage_bytes"] == 2
        assert bench.counters["missing_field"] == 1


def test_what_waits_is_bounded_when_frames_never_end() -> None:
    """Elements and keys; who was silent for longest loses what it has."""
    stage = DelimiterDecode(field="raw", max_elements=3, max_keys=2)
    assert stage.holds() == Hold(3)
    with StageBench(stage) as bench:
        bench.sink.request(100)
        bench.source.send(*(Reading(source, 0, {"raw": b"."}) for source in "abab"))
        assert bench.source.outcomes.dropped("incomplete") == [0, 2]
        bench.source.send(Reading("c", 0, {"raw": b"."}), Reading("d", 0, {"raw": b".\n"}))
        assert bench.source.outcomes.dropped("incomplete") == [0, 1, 2, 3]
        assert bench.counters["evicted"] == 2


def test_delimiter_is_text_or_hexadecimal_when_written_in_a_configuration() -> None:
    """Both forms; what is neither is a settings error."""
    catalogue = Catalogue.built_in()
    for written in ("\r\n", "hex:0d0a"):
        check = catalogue.check("delimiter_decode", catalogue.properties("delimiter_decode", written))
        assert check.stage is not None, check.errors
        with StageBench(check.stage) as bench:
            bench.sink.request(9)
            bench.source.send(b"a\r\nb\n")
            bench.sink.expect_next(b"a")
    for wrong in ("hex:0d0", "", "€"):
        with pytest.raises(ConfigError):
            DelimiterDecode(delimiter=wrong)
