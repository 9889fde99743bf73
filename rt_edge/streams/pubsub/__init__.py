"""Publish and subscribe by topic, with the wildcards of MQTT: streams in one process meet at a `Broker`.

topics      names, filters, and the tree in which the subscriptions of a topic are found
broker      who has subscribed to what; groups, retained messages, back-pressure
to_topic    `Sink.to_topic`
from_topic  `Source.from_topic`

message     what is published
lanes       the order of a key in a group, and of a publisher's laps

A message has the outcome that its subscribers give it (docs/adr/0010). Between processes it is an actor:
`rt_edge.actors.routers.topic_actor`.
"""
