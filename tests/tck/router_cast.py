"""A router actor between whose feed and whose answers the kit has its streams; imported by name in its own process."""

# ruff: noqa: N802 - handlers are named for messages

from __future__ import annotations

from thespian.actors import ActorAddress

from rt_edge.actors.routers.routee import RouteeActor
from rt_edge.actors.routers.settings import RouterSettings
from rt_edge.actors.routers.stream_actor import StreamRouterActor
from rt_edge.actors.routers.stream_messages import OpenStream
from rt_edge.data.reading import Reading
from tests.tck.island_cast import KIT, OTHER, Serve, Serving


class Echo(RouteeActor):
    """Answers with the question."""

    def work(self, payload: Reading) -> Reading:
        return payload


class KitRouter(StreamRouterActor):
    """Two routees, in processes of their own; serves the other ends of the kit's island."""

    settings = RouterSettings(size=2, window=4)
    routee_class = Echo

    def on_Serve(self, message: Serve, sender: ActorAddress) -> None:
        if message.what == "clear":
            for feed in list(self._engines):
                self.close_stream(feed)
        else:
            answers = f"to-kit-{message.number}" if message.what == "flow" else ""
            self.open_stream(OpenStream(f"from-kit-{message.number}", answers, KIT, sender, OTHER))
        self.send(sender, Serving(message.number))


class KitBroadcast(KitRouter):
    """Both routees get each element, and both have to have done it."""

    settings = RouterSettings(strategy="broadcast", size=2, window=4)


class KitByKey(KitRouter):
    """Each device has its routee, who may be busy while the other has room."""

    settings = RouterSettings(strategy="consistent_hashing", size=2, window=4)
