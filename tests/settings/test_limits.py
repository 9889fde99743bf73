"""What `check` accepts, a node can run with."""

from __future__ import annotations

from pathlib import Path

import pytest

from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import ConfigError
from rt_edge.settings.load import load
from rt_edge.spool.quota import MIN_QUOTA
from rt_edge.spool.spool import Spool

TEXT = """
node: {{id: n, data: d}}
uplinks: {{hq: {{peers: ["127.0.0.1:1900"], spool: {{max: {quota}B}}}}}}
"""


@pytest.mark.parametrize(("quota", "good"), [(MIN_QUOTA, True), (MIN_QUOTA - 1, False)])
def test_quota_is_accepted_only_when_a_spool_opens_with_it(tmp_path: Path, quota: int, good: bool) -> None:
    """The least quota of the settings is the least of the spool."""
    config = tmp_path / "c.yaml"
    config.write_text(TEXT.format(quota=quota))
    assert [problem.path for problem in load(config).errors] == ([] if good else ["uplinks > hq > spool > max"])
    if good:
        Spool.open(tmp_path / "hq.db", "n", "hq", SystemClock(), quota, reserve=0).close()
    else:
        with pytest.raises(ConfigError):
            Spool.open(tmp_path / "hq.db", "n", "hq", SystemClock(), quota, reserve=0)
