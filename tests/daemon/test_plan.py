"""A plan that cannot run is refused before anything starts."""

from __future__ import annotations

import pytest

from rt_edge.daemon.main import NodeDaemon
from rt_edge.data.errors import ConfigError
from rt_edge.settings.plan import NodeInfo, NodePlan
from rt_edge.streams.model import GraphModel, NodeModel


def test_node_does_not_start_when_a_graph_refers_to_nothing(tmp_path):
    """ConfigError, which is exit code 3, and no data directory: not a tree that is started again for ever."""
    graph = GraphModel((NodeModel("in", "from", {"name": "nobody"}),))
    plan = NodePlan(NodeInfo("n", str(tmp_path / "data")), graphs={"g": graph})
    with pytest.raises(ConfigError, match="nobody"):
        NodeDaemon(plan).run()
    assert not (tmp_path / "data").exists()
