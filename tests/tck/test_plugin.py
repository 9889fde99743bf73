"""The plug-in as its users have it: found by pytest through the entry point, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from rt_edge.testkit.tck.collecting import verifications

MINE = '''
import asyncio, sys, threading
from queue import Queue
from rt_edge.testkit.tck import ListPublisher, PublisherVerification

def publisher(elements):
    return ListPublisher(range(elements))

def failed():
    return ListPublisher([], ValueError("a test"))

def settle():
    pass

class Unnamed:
    """Says of a wrong demand only that it is wrong."""
    def __init__(self, elements):
        self.inner = ListPublisher(range(elements))
    def subscribe(self, subscriber):
        self.inner.subscribe(subscriber if subscriber is None else Renaming(subscriber))

class Renaming:
    def __init__(self, subscriber):
        self.subscriber = subscriber
        self.on_subscribe, self.on_next, self.on_complete = (
            subscriber.on_subscribe, subscriber.on_next, subscriber.on_complete)
    def on_error(self, error):
        self.subscriber.on_error(ValueError("wrong"))

class Greedy:
    """Sends everything at once."""
    def __init__(self, elements):
        self.items = range(elements)
    def subscribe(self, subscriber):
        if subscriber is None:
            raise TypeError
        subscriber.on_subscribe(self)
        for item in self.items:
            subscriber.on_next(item)
        subscriber.on_complete()
    def request(self, n):
        pass
    def cancel(self):
        pass

class Subscriber:
    def __init__(self, probe=None):
        self.probe, self.subscription, self.over = probe, None, False
    def on_subscribe(self, subscription):
        if subscription is None:
            raise TypeError
        if self.subscription is not None:
            return subscription.cancel()
        self.subscription = subscription
        self.probe.register_on_subscribe(self) if self.probe else subscription.request(1)
    def on_next(self, element):
        if element is None:
            raise TypeError
        if not self.over:
            self.probe.register_on_next(element) if self.probe else self.subscription.request(1)
    def on_error(self, error):
        if error is None:
            raise TypeError
        if self.probe and not self.over:
            self.probe.register_on_error(error)
        self.over = True
    def on_complete(self):
        if self.probe and not self.over:
            self.probe.register_on_complete()
        self.over = True
    def trigger_request(self, n):
        if not self.over:
            self.subscription.request(n)
    def signal_cancel(self):
        if not self.over:
            self.over = True
            self.subscription.cancel()

class Mine(PublisherVerification):
    max_elements_from_publisher = 3
    def create_publisher(self, elements):
        return publisher(elements)
    def settle(self):
        pass
'''

PROCESSOR = "tests.tck.broken_processor:HubProcessor"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    return tmp_path


def pytest_in(place: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of `python -m pytest` in a directory."""
    others = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "xdist", "xdist.looponfail", "timeout")]
    command = [sys.executable, "-m", "pytest", *others, "-o", f"pythonpath={place} {ROOT}", *arguments]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stdout + done.stderr


def test_plugin_is_found_when_pytest_looks_for_entry_points() -> None:
    """rt-edge has the plug-in among its entry points; without it nothing below can work: run scripts/setup."""
    assert "rt_edge.testkit.tck.plugin" in {found.value for found in entry_points(group="pytest11")}


def test_publisher_and_subscribers_are_verified_when_they_are_named(place: Path) -> None:
    """Three factories on the command line are all it takes: every test is there, and the summary counts rules and facts."""
    code, output = pytest_in(
        place,
        "--tck-publisher=mine:publisher", "--tck-failed-publisher=mine:failed", "--tck-settle=mine:settle",
        "--tck-subscriber-blackbox=mine:Subscriber", "--tck-stop=mine:Subscriber.signal_cancel",
        "--tck-subscriber-whitebox=mine:Subscriber", f"--tck-processor={PROCESSOR}",
    )  # fmt: skip
    assert code == 0, output
    assert "TestPublisher: 51 of 51 tests passed" in output
    assert "TestSubscriberBlackbox: 20 of 20 tests passed" in output
    assert "TestSubscriberWhitebox: 22 of 22 tests passed" in output
    assert "TestProcessor: 80 of 80 tests passed" in output
    assert "rule 3.10: on_next is called before request returns" in output
    assert "173 passed" in output


def test_optional_test_is_seen_and_no_failure_when_it_does_not_hold(place: Path) -> None:
    """What is optional and not held is counted and listed with its reason; with --tck-strict it is a failure."""
    arguments = ("--tck-publisher=mine:Unnamed", "--tck-settle=mine:settle", "-k", "specific_message or spec317")
    code, output = pytest_in(place, *arguments)
    assert code == 0, output
    assert "1 not held" in output.splitlines()[-1]
    assert "not held: test_optional_spec309_request_negative_number" in output
    assert "specific_message: AssertionError: " in output
    assert "does not name it" in output
    assert "1 optional not held" in output
    code, output = pytest_in(place, *arguments, "--tck-strict=yes")
    assert code == 1
    assert "1 failed" in output


def test_broken_rules_are_named_when_a_publisher_breaks_them(place: Path) -> None:
    """A failure is an ordinary failure of a test whose name says the rule; the summary names the rules."""
    code, output = pytest_in(place, "--tck-publisher=mine:Greedy", "--tck-settle=mine:settle")
    assert code == 1
    assert "FAILED reactive_streams::TestPublisher::test_required_spec101_" in output
    line = next(line for line in output.splitlines() if line.startswith("TestPublisher: "))
    assert "rules broken: 1.1, " in line


def test_ini_file_and_knobs_are_enough_when_there_are_no_arguments(place: Path) -> None:
    """What the command line can say the ini file can say; a verification of one's own can be named in a factory's place."""
    ini = "[pytest]\ntck_publisher = mine:publisher\ntck_settle = mine:settle\ntck_max_elements = 1\ntck_max_subscribers = 1\n"
    (place / "pytest.ini").write_text(ini, encoding="utf-8")
    code, output = pytest_in(place)
    assert code == 0, output
    assert "max_elements_from_publisher is 1" in output
    assert "max_supported_subscribers is 1" in output
    code, output = pytest_in(place, "--tck-publisher=mine:Mine", "--co", "-q")
    assert code == 0, output
    assert "spec102" in output
    assert "spec101" not in output


def test_classes_are_reported_when_they_stand_in_a_file(place: Path) -> None:
    """Subclasses in a test file are collected as ever, marked, and counted in the summary."""
    text = "from mine import Mine\nclass TestMine(Mine):\n    pass\ndef test_other(): pass\n"
    (place / "test_mine.py").write_text(text, encoding="utf-8")
    code, output = pytest_in(place, "-m", "reactive_streams", "--strict-markers")
    assert code == 0, output
    assert "TestMine: " in output
    assert "1 deselected" in output
    assert "left out: " not in output, "without -v and without options the sheet is short"


def test_threads_are_waited_for_when_nothing_is_driven_by_hand(place: Path) -> None:
    """A publisher with a thread of its own is verified with time-outs."""
    code, output = pytest_in(
        place, "--tck-publisher=tests.tck.threaded:ThreadedPublisher", "--tck-timeout=5", "--tck-no-signal-timeout=0.005",
    )  # fmt: skip
    assert code == 0, output
    assert "TestPublisher: 49 of 49 tests passed" in output
    assert "rule 3.10: on_next is called after request has returned" in output


OURS = {"publisher": "rt_edge.testkit.tck:ListPublisher"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"publisher": "mine"}, "--tck-publisher: 'mine' is not package.module:name"),
        ({"failed_publisher": "rt_edge:nothing", **OURS}, "--tck-failed-publisher rt_edge:nothing: .* no attribute"),
        ({"settle": "mine:settle"}, "nothing to verify: give one of --tck-publisher, --tck-subscriber-blackbox"),
        ({"max_elements": "many", **OURS}, "--tck-max-elements: invalid literal"),
        ({"strict": "perhaps", **OURS}, "--tck-strict: 'perhaps' is neither yes nor no"),
    ],
)
def test_usage_error_says_what_is_wrong_when_an_option_makes_no_sense(options: dict[str, str], said: str) -> None:
    """A mistake in an option is named with the option."""
    with pytest.raises(pytest.UsageError, match=said):
        list(verifications(options))


def test_usage_error_is_one_line_when_a_module_is_not_there(place: Path) -> None:
    """Exit code 4, and no traceback."""
    code, output = pytest_in(place, "--tck-publisher=nowhere:nothing")
    assert code == 4, output
    assert "ERROR: --tck-publisher nowhere:nothing: No module named 'nowhere'" in output
    assert "Traceback" not in output


def test_nothing_is_imported_when_no_test_is_of_the_kit(place: Path) -> None:
    """In a run that has nothing to do with it the plug-in has imported nothing of rt-edge but itself."""
    text = (
        "import sys\n"
        "def test_modules():\n"
        "    mine = sorted(name for name in sys.modules if name.split('.')[0] in {'rt_edge', 'adapters', 'msgspec'})\n"
        "    assert mine == ['rt_edge', 'rt_edge.testkit', 'rt_edge.testkit.tck', 'rt_edge.testkit.tck.plugin'], mine\n"
    )
    (place / "test_empty.py").write_text(text, encoding="utf-8")
    code, output = pytest_in(place)
    assert code == 0, output
    assert "Reactive Streams" not in output
