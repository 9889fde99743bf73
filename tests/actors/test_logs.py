"""Logging is put back as it was before Thespian replaced it."""

from __future__ import annotations

import logging

import pytest

from rt_edge.actors.logs import restore_logging


class Kept(logging.Handler):
    """Keeps what it gets."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@pytest.fixture
def forwarder():
    """The state in which Thespian leaves a child."""
    root, manager, handlers, level = logging.root, logging.Logger.manager, logging.root.handlers[:], logging.root.level
    kept = Kept()
    logging.root = logging.Logger.root = logging.RootLogger(logging.DEBUG)
    logging.root.addHandler(kept)
    logging.Logger.manager = logging.Manager(logging.root)
    yield kept
    logging.root = logging.Logger.root = root
    logging.Logger.manager = manager
    root.handlers = handlers
    root.setLevel(level)


def test_loggers_write_to_our_handler_when_they_were_made_under_the_forwarder(forwarder):
    """A logger made while Thespian's forwarder was the root, and its children, move over with the restoration."""
    early = logging.getLogger("made.early")
    deeper = logging.getLogger("made.early.deeper")
    ours = Kept()
    restore_logging(ours, logging.INFO)
    late = logging.getLogger("made.late")
    for number, logger in enumerate((early, deeper, late)):
        logger.warning("line %d", number)
    assert ours.lines == ["line 0", "line 1", "line 2"]
    assert forwarder.lines == []
    assert logging.getLogger("made.early") is early


def test_handlers_stay_when_none_is_given(forwarder):
    """Without a handler the root keeps those it had before the fork."""
    restore_logging()
    before = logging.root.handlers[:]
    restore_logging()
    assert logging.root.handlers == before
