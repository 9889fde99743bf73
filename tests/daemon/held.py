"""An adapter whose island does at each launch what the test says through a pipe: for tests of the start of a node."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from rt_edge.sdk import Capability, DeviceAdapter
from rt_edge.sdk.settings import Field, Settings


class HeldSettings(Settings):
    """Where the test is."""

    pipe: str = Field()
    """A named pipe; a launch reads one of `run`, `raise`, `exit` from it, and waits for it."""


class HeldAdapter(DeviceAdapter):
    """Does nothing, once it is allowed to."""

    kind = "held"

    @classmethod
    def settings_model(cls) -> type[Any]:
        """Its settings."""
        return HeldSettings

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        """Asked for while an island is built, on its second thread; and when the configuration is checked, on a main thread."""
        if threading.current_thread() is not threading.main_thread():
            word = Path(settings.pipe).read_text()
            if word == "raise":
                raise OSError("the device is dead")
            if word == "exit":
                os._exit(7)
        return Capability(delivery="polled", backpressure="native")

    async def open(self) -> None:
        """Nothing to open."""

    def demand(self, n: int) -> None:
        """There is never anything."""

    async def close(self) -> None:
        """Nothing to close."""
