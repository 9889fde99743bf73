"""The pytest plug-in: verifications of a publisher, subscriber or processor that is named on the command line or in the ini file.

    python -m pytest --tck-publisher my.module:publisher_of --tck-max-elements 1000
    python -m pytest --tck-processor my.module:MyProcessor --tck-settle my.module:drive

It is loaded in every run of pytest where rt-edge is installed, so it imports nothing until there is something for it to do.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from rt_edge.testkit.tck.summary import Summary


class Option(NamedTuple):
    """One option: `--tck-NAME` on the command line, `tck_name` in the ini file."""

    name: str
    metavar: str
    help: str


OPTIONS = (
    Option("publisher", "REF", "the publisher to verify: REF(elements) makes one of exactly so many"),
    Option("failed-publisher", "REF", "REF() makes a publisher that fails without an element"),
    Option("subscriber-blackbox", "REF", "the subscriber to verify from outside: REF() makes one"),
    Option("subscriber-whitebox", "REF", "the subscriber to verify from inside: REF(probe) makes one that reports to the probe"),
    Option("processor", "REF", "the identity processor to verify: REF(buffer_size) makes one"),
    Option("trigger-request", "REF", "REF(subscriber) makes a subscriber of --tck-subscriber-blackbox ask for an element"),
    Option("stop", "REF", "REF(subscriber) makes a subscriber of --tck-subscriber-blackbox cancel"),
    Option("element", "REF", "REF(index) makes an element for subscribers and processors (default: the index)"),
    Option("settle", "REF", "REF() does all that is under way: nothing happens by itself, and no time passes"),
    Option("loop", "REF", "REF() gives the asyncio loop, not running, on which everything lives: tests run it while they wait"),
    Option("timeout", "SECONDS", "how long a signal may take (default: 0.1)"),
    Option("no-signal-timeout", "SECONDS", "how long silence has to last (default: as --tck-timeout)"),
    Option("max-elements", "N", "most elements of the publisher; `unbounded`: it never completes"),
    Option("max-subscribers", "N", "how many subscribers a publisher or processor serves at a time"),
    Option("recursion", "N", "deepest nesting of on_next in on_next that is allowed (default: 1)"),
    Option("coordinated", "yes", "an element comes only when every subscriber has asked for it"),
    Option("strict", "yes", "what fails an optional test is an error"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("reactive-streams", "compatibility kit of Reactive Streams (REF is package.module:name)")
    for option in OPTIONS:
        group.addoption(f"--tck-{option.name}", metavar=option.metavar, help=option.help)
        parser.addini(_key(option.name), f"as --tck-{option.name}")


def _key(name: str) -> str:
    return "tck_" + name.replace("-", "_")


def wanted(config: pytest.Config) -> dict[str, str]:
    """What was asked for: name of an option, as a Python name -> text."""
    found = {}
    for option in OPTIONS:
        key = _key(option.name)
        value = config.getoption(key) or config.getini(key)
        if value:
            found[key.removeprefix("tck_")] = str(value)
    return found


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that every test of a verification has, and the hooks that keep something."""
    config.addinivalue_line("markers", "reactive_streams: a test of the compatibility kit of Reactive Streams")
    config.pluginmanager.register(Hooks(config), "rt_edge_tck_hooks")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> bool | None:
    """With an option and without a path nothing but the verifications is collected."""
    if not wanted(session.config) or session.config.args_source is pytest.Config.ArgsSource.ARGS:
        return None
    session.perform_collect([])
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests of what the options name; mark all tests of verifications."""
    options = wanted(config)
    if options:
        from rt_edge.testkit.tck.collecting import collect

        items += collect(session, options)
    for item in items:
        if of_kit(item):
            item.add_marker("reactive_streams")


def of_kit(item: pytest.Item) -> bool:
    """Whether it is a test of a verification. Nobody has one who has not imported the base class of all."""
    bench = sys.modules.get("rt_edge.testkit.tck.bench")
    cls = getattr(item, "cls", None)
    return bench is not None and isinstance(cls, type) and issubclass(cls, bench.Verification)


class Hooks:
    """What a run keeps: what became of tests of the kit, told by their reports, which may come from other processes.

    Args:
        config: of the run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._summary: Summary | None = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Look at reports only if some tests are of the kit."""
        if any(of_kit(item) for item in session.items):
            self._config.pluginmanager.register(Noting(), "rt_edge_tck_noting")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what `Noting` has noted."""
        noted = report.__dict__.get("tck")
        if noted is not None:
            if self._summary is None:
                from rt_edge.testkit.tck.summary import Summary

                self._summary = Summary()
            self._summary.add(noted)

    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, Any] | None:
        """An optional test that fails is no failure, but it is seen."""
        noted = getattr(report, "tck", None)
        if noted is not None and noted["status"] == "not held":
            return "not held", "o", ("NOT HELD", {"yellow": True})
        return None

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """What was verified, what is optional and not held, what was chosen and left out."""
        if self._summary is not None:
            full = bool(wanted(config)) or config.getoption("verbose") > 0
            terminalreporter.section("Reactive Streams")
            for line in self._summary.lines(full):
                terminalreporter.write_line(line)


class Noting:
    """Notes in each report of a test of the kit whose it was and what became of it."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """An optional test that failed gets the outcome of a test that was not needed."""
        report = yield
        if report.when == "call" and of_kit(item):
            from rt_edge.testkit.tck.summary import note

            note(report, item)
        return report
