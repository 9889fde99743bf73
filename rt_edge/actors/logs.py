"""Logging in actor processes: what Thespian replaces, put back."""

from __future__ import annotations

import logging

_ROOT = logging.root
_MANAGER = logging.Logger.manager
# as they were before Thespian: this module is imported by the main process, before the first fork


def restore_logging(handler: logging.Handler | None = None, level: int | None = None) -> None:
    """Make this process log through `handler` again.

    In a child Thespian replaces `logging.root`, `Logger.root` and `Logger.manager` by a forwarder that sends one message per
    record to its logger process. Loggers made meanwhile (the module of an actor is imported under the forwarder) are moved
    over to the old tree.

    Args:
        handler: becomes the only handler of the root; None: the root keeps the handlers it had when the process forked.
        level: of the root; None: as it was.
    """
    forwarder, manager = logging.root, logging.Logger.manager
    logging.root = logging.Logger.root = _ROOT
    logging.Logger.manager = _MANAGER
    if manager is not _MANAGER:
        for name, logger in list(manager.loggerDict.items()):
            if not isinstance(logger, logging.Logger):
                continue
            if logger.parent is forwarder:
                logger.parent = _ROOT
            logger.manager = _MANAGER
            _MANAGER.loggerDict.setdefault(name, logger)
    if handler is not None:
        _ROOT.handlers = [handler]
    if level is not None:
        _ROOT.setLevel(level)
