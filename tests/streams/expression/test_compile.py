"""What an expression may say, and what each mistake is answered with."""

from __future__ import annotations

import pickle

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.expression import ExpressionError, compile_assignments, compile_predicate, compile_value
from rt_edge.streams.expression.errors import AssignmentErrors

READING = Reading(
    "plc/pump-1",
    1_700_000_000_000_000_000,
    {"temperature": 21.5, "pressure": 2, "mode": "auto", "running": True, "motor temp": 60, "quality": 7, "status": 0b1010},
    tags={"line": "a"},
)

VALUES = [
    ("temperature", 21.5),
    ("temperature > -40", True),
    ("-40 < temperature <= 21.5", True),
    ("pressure * 14.5 + 1", 30.0),
    ("pressure * pressure", 4),
    ("pressure ** 2 // 3 % 5", 1),
    ("1 + 2 * 3 - 4 / 2", 5.0),
    ("mode in ['auto', 'manual']", True),
    ("pressure not in (1, -2, 3)", True),
    ("mode == 'auto' and not running", False),
    ("running == true", True),
    ("false or pressure", 2),
    ("'high' if temperature > 20 else 'low'", "high"),
    ("status >> 1 & 1", 1),
    ("(status | 1) ^ 3 & ~0", 8),
    ("1 << pressure", 4),
    ("abs(-pressure)", 2),
    ("min(pressure, temperature, 1)", 1),
    ("max(pressure, 3)", 3),
    ("round(temperature * 1.01, 1)", 21.7),
    ("round(2.5)", 2),
    ("floor(temperature) + ceil(temperature)", 43),
    ("sqrt(pressure + 2)", 2.0),
    ("log(exp(1.0))", 1.0),
    ("log(8, 2)", 3.0),
    ("clamp(temperature, 0, 20)", 20),
    ("is_number(temperature)", True),
    ("is_number(mode)", False),
    ("is_nan(temperature)", False),
    ("number('21.5') == temperature", True),
    ("has(temperature)", True),
    ("has(nothing)", False),
    ("has(tags['line'])", True),
    ("has(fields['motor temp'])", True),
    ("fields['motor temp']", 60),
    ("fields['quality']", 7),
    ("quality == 'good'", True),
    ("source + '/' + tags['line']", "plc/pump-1/a"),
    ("ts // 1000000000", 1_700_000_000),
    ("  temperature\n  > 20 ", True),
]


@pytest.mark.parametrize(("source", "expected"), VALUES)
def test_value_is_pythons_when_expression_is_allowed(source: str, expected: object) -> None:
    """An allowed expression has the value Python gives it."""
    results, missing, failures = compile_value(source).run([READING])
    assert (results, missing, failures) == ([expected], 0, [])
    assert type(results[0]) is type(expected)


REFUSED = [
    ("", 1, "the expression is empty"),
    ("   ", 1, "the expression is empty"),
    ("a" * 1001, 1001, "longer than 1000 characters"),
    ("a + + * 3", 7, "invalid syntax"),
    ("a && b", 4, "invalid syntax (write and, or, not in small letters)"),
    ("quality = 'good'", 9, "invalid syntax (compare with ==)"),
    ("x := 3", 3, "invalid syntax"),
    ("  a.b", 3, "attribute access is not allowed in an expression"),
    ("µé + b.c", 6, "attribute access is not allowed in an expression"),
    ("().__class__.__bases__", 1, "attribute access is not allowed in an expression"),
    ("(lambda: 1)()", 1, "only functions of the fixed list can be called"),
    ("lambda: 1", 1, "a lambda is not allowed in an expression"),
    ("(x := 3)", 2, "an assignment is not allowed in an expression"),
    ("[a for a in b]", 1, "a comprehension is not allowed in an expression"),
    ("f'{x}'", 1, "an f-string is not allowed in an expression"),
    ("{1: 2}", 1, "a dict is not allowed in an expression"),
    ("[1, 2]", 1, "List is not allowed in an expression"),
    ("min(*a, 1)", 5, "a starred argument is not allowed in an expression"),
    ("await x", 1, "await is not allowed in an expression"),
    ("a @ b", 1, "the operator @ is not allowed"),
    ("a is 3", 6, "the operator 'is' is not allowed (use ==)"),
    ("None", 1, "None is not a value (has(field) asks whether a field is there)"),
    ("1j", 1, "a complex constant is not allowed (numbers, text, true and false are)"),
    ("b'x'", 1, "a bytes constant is not allowed (numbers, text, true and false are)"),
    ("__import__('os')", 1, "there is no function __import__"),
    ("eval('1')", 1, "there is no function eval"),
    ("sqr(4)", 1, "there is no function sqr (did you mean sqrt?)"),
    ("abs", 1, "abs is a function"),
    ("tags", 1, "tags needs a name in brackets (tags['...'])"),
    ("tags[mode]", 1, "the name in brackets has to be constant text (tags['name'])"),
    ("mode[0]", 1, "brackets are allowed after tags and fields only (tags['line'])"),
    ("abs(1, 2)", 1, "abs takes 1 arguments, not 2"),
    ("min(a)", 1, "min takes 2 to 16 arguments, not 1"),
    ("round(a, digits=2)", 1, "round takes no named arguments"),
    ("has(a + 1)", 1, "has takes a field or a tag"),
    ("has(ts)", 1, "has takes a field or a tag"),
    ("a in b", 6, "'in' needs a list of constants on its right"),
    ("a in (b, 1)", 7, "the list after 'in' may hold constants only"),
    ("source > 3", 10, "text is compared with a number"),
    ("source * 3", 1, "* does not work on text (number(x) makes a number of text)"),
    ("'a' * 10**9", 1, "* does not work on text"),
    ("'%999999999d' % 5", 1, "% does not work on text"),
    ("-source", 1, "a sign does not work on text"),
    ("9**9**9", 1, "this part always fails: the power has more than 1024 bits"),
    ("a + 9**9**9**9", 8, "this part always fails"),
    ("1 << 10**9", 1, "this part always fails: the shifted value has more than 1024 bits"),
    ("a or 1 / 0", 6, "this part always fails: division by zero"),
    ("round(5, -10**9)", 1, "this part always fails: round: digits has to be 0 to 15"),
    ("0x" + "f" * 300, 1, "an integer of more than 1024 bits"),
    ("(" * 300 + "a" + ")" * 300, 201, "too many nested parentheses"),
    ("-" * 400 + "a", 31, "nested deeper than 30"),
    ("+".join("a" * 40), 1, "nested deeper than 30"),
    ("max(" + "a or " * 180 + "1," + "b," * 20 + ")", 1, "max takes 2 to 16 arguments, not 21"),
    ("(" + "a or " * 150 + "1) + (" + "a<1<" * 50 + "1)", 850, "more than 200 parts"),
    ("\x00", 1, ""),
    ("\ud800", 1, "cannot be read"),
]


@pytest.mark.parametrize(("source", "column", "reason"), REFUSED)
def test_expression_is_refused_when_it_is_not_allowed(source: str, column: int, reason: str) -> None:
    """What is not on the list is a settings error that names the column and the reason."""
    with pytest.raises(ExpressionError) as caught:
        compile_value(source)
    assert caught.value.column == column
    assert f"column {column}: {reason}" in str(caught.value)


def test_error_survives_pickling_when_it_crosses_a_process() -> None:
    """The error is a ConfigError and pickles with its column."""
    with pytest.raises(ConfigError) as caught:
        compile_value("a.b")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert (copy.column, copy.source) == (1, "a.b")


def test_condition_is_refused_when_it_can_only_be_text() -> None:
    """`filter: source` has no meaning as a condition."""
    with pytest.raises(ExpressionError, match="a condition is needed"):
        compile_predicate("source + 'x'")


def test_predicate_is_false_and_counted_when_a_field_is_missing() -> None:
    """A filter takes what it cannot decide as false, counts it, and stops evaluating no other reading."""
    other = Reading("x", 0, {"humidity": 1})
    results, missing, failures = compile_predicate("temperature > 20 or tags['line'] == 'a'").run([other, READING, other])
    assert (results, missing, failures) == ([False, True, False], 2, [])


def test_missing_field_is_not_asked_for_when_has_guards_it() -> None:
    """`has(x) and x > 1` is decided without the field."""
    assert compile_predicate("has(nothing) and nothing > 1 or pressure == 2").run([READING]) == ([True], 0, [])


def test_failure_is_attributed_when_one_reading_of_many_is_wrong() -> None:
    """An error of evaluation belongs to one place of the list; the others keep their results."""
    bad = Reading("x", 0, {"temperature": "hot"})
    results, missing, failures = compile_predicate("temperature > 20").run([READING, bad, READING])
    assert (results, missing) == ([True, False, True], 0)
    assert [(place, type(error)) for place, error in failures] == [(1, TypeError)]


def test_gap_record_passes_when_a_filter_or_assignment_meets_it() -> None:
    """Gap records have no fields; they pass a filter and are not changed by assignments."""
    gap = gap_reading("plc/pump-1", "offline", 1, 2)
    assert compile_predicate("temperature > 20").run([gap]) == ([True], 0, [])
    assert compile_predicate("quality == 'good'").run([gap]) == ([True], 0, [])
    assert compile_assignments({"x": "1"}).run([gap]) == ([gap], 0, [])


def test_assignments_see_what_was_set_before_when_they_are_several() -> None:
    """Fields are set in order; the reading that came in is not changed and keeps all but its fields."""
    before = dict(READING.fields)
    results, missing, failures = compile_assignments({"psi": "pressure * 14.5", "twice": "psi * 2", "unit": "'psi'", "n": 3}).run(
        [READING]
    )
    assert (missing, failures) == (0, [])
    assert results[0].fields == {**before, "psi": 29.0, "twice": 58.0, "unit": "psi", "n": 3}
    assert READING.fields == before
    assert (results[0].source, results[0].ts, results[0].tags) == (READING.source, READING.ts, READING.tags)


def test_field_is_left_as_it_was_when_its_expression_misses_a_field() -> None:
    """An assignment with a missing field sets nothing, is counted, and the other assignments are made."""
    results, missing, failures = compile_assignments({"a": "nothing + 1", "pressure": "nothing", "b": "pressure"}).run([READING])
    assert (missing, failures) == (2, [])
    assert "a" not in results[0].fields
    assert results[0].fields["pressure"] == results[0].fields["b"] == 2


@pytest.mark.parametrize(
    "source", ["big * big", "big ** 3", "1 << big", "-big - big", "big + big + 2", "text + text", "text * big", "text % big"]
)
def test_reading_fails_when_a_value_overflows(source: str) -> None:
    """What does not fit 64 bits, or would grow without bound, fails the reading and nothing else."""
    reading = Reading("x", 0, {"big": 2**63 - 1 if "<<" not in source else 2**40, "text": "%9999999d" * 2000})
    results, _, failures = compile_assignments({"y": source}).run([reading, READING])
    assert [place for place, _ in failures if place == 0] == [0]
    assert isinstance(failures[0][1], OverflowError | TypeError | ZeroDivisionError)
    assert results[0] is reading


@pytest.mark.parametrize("name", ["quality", "source", "tags", "", "x" * 1001])
def test_assignment_is_refused_when_its_target_is_no_field(name: str) -> None:
    """Only fields are set."""
    with pytest.raises(ExpressionError, match="cannot be set"):
        compile_assignments({name: "1"})


def test_every_assignment_is_named_when_several_are_wrong() -> None:
    """The error has each wrong one by its field, and survives a pickle; what is right is not in it."""
    with pytest.raises(AssignmentErrors) as caught:
        compile_assignments({"a": "b.c", "fine": "1", "quality": "2", "d": "e +"})
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert list(error.by_target) == ["a", "quality", "d"]
        assert error.message == error.by_target["a"].message
        assert (error.by_target["d"].source, error.by_target["quality"].reason[:9]) == ("e +", "'quality'")


def test_assignments_are_refused_when_there_are_none_or_too_many() -> None:
    """`set: {}` and `set` with 65 fields are settings errors."""
    with pytest.raises(ExpressionError, match="no field is set"):
        compile_assignments({})
    with pytest.raises(ExpressionError, match="more than 64"):
        compile_assignments({f"f{i}": "1" for i in range(65)})


def test_field_keeps_its_spelling_when_python_would_normalise_it() -> None:
    """The micro sign of a field name stays a micro sign, although Python's parser turns it into a Greek letter."""
    micro, greek = "\u00b5m", "\u03bcm"
    assert compile_value(micro).run([Reading("x", 0, {micro: 5, greek: 6})])[0] == [5]


def test_fields_are_known_when_the_expression_is_compiled() -> None:
    """The program says which fields it reads."""
    assert compile_predicate("has(a) and b > fields['c d'] + min(a, e)").fields == {"a", "b", "c d", "e"}
