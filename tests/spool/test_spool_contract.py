"""The SQLite spool under the contract of all spools."""

from __future__ import annotations

from typing import Any

from rt_edge.spool.spool import Spool
from rt_edge.testkit.spool_bench import open_spool
from rt_edge.testkit.spool_contract import SpoolContract


class TestSqliteSpool(SpoolContract):
    def open(self, when_full: Any = "block") -> Spool:
        return open_spool(self.folder / "hq.db", when_full=when_full)
