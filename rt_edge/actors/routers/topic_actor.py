"""TopicActor: publish and subscribe between actors."""

from __future__ import annotations

from rt_edge.actors.routers.topic_client import TopicClient
from rt_edge.actors.routers.topic_service import TopicService


class TopicActor(TopicService, TopicClient):
    """Everything published here goes to all who have subscribed here. Nodes are joined by `JoinPeer`. See `TopicService`."""
