"""Goal: signals become something to poll, and nothing else changes. Method: signals to this process itself."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from rt_edge.daemon.signals import CAUGHT, SignalPipe


def test_a_signal_makes_the_pipe_readable_and_is_taken_once():
    """Each caught signal is reported, several at a time, and not again."""
    pipe = SignalPipe()
    try:
        assert pipe.take() == set()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        assert select.select([pipe.fileno()], [], [], 5)[0]
        assert pipe.take() == {signal.SIGTERM, signal.SIGHUP}
        assert pipe.take() == set()
    finally:
        pipe.close()


def test_more_signals_than_a_pipe_holds_do_not_block_or_warn():
    """A storm of signals is one request to stop."""
    pipe = SignalPipe()
    try:
        for _ in range(300):
            os.kill(os.getpid(), signal.SIGINT)
        assert pipe.take() == {signal.SIGINT}
    finally:
        pipe.close()


def test_old_handlers_are_back_and_descriptors_closed_after_close():
    """A closed pipe leaves the process as it was."""
    before = {number: signal.getsignal(number) for number in CAUGHT}
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    pipe = SignalPipe()
    assert signal.getsignal(signal.SIGTERM) is not before[signal.SIGTERM]
    pipe.close()
    assert {number: signal.getsignal(number) for number in CAUGHT} == before
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_a_process_that_ends_is_deaf_to_a_second_request_to_end():
    """Closed `deaf`, a late SIGTERM does not change the exit code."""
    before = {number: signal.getsignal(number) for number in CAUGHT}
    SignalPipe().close(deaf=True)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
