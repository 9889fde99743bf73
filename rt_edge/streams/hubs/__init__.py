"""Hubs: points where streams that run by themselves meet, come and go (several engines, in one thread or in several).

    merge_hub       many producers, one consumer
    broadcast_hub   one producer, many consumers; every consumer gets every element from when it came
    partition_hub   one producer, many consumers; every element goes to one of them

A hub is an object that both sides share. `Sink.to_hub(hub)` and `Source.from_hub(hub)` are its sides in a graph, and with
`as_subscriber` and `as_publisher` the roles of Reactive Streams. An element that goes through a hub has the
outcome that its consumers give it (docs/adr/0010): what is in a hub is volatile, as in a stream, and its origin emits it again.

ports           what a hub knows of one producer, one consumer: a bounded queue, and a policy for who is slow
deliveries      receipts on their way through, and back into the thread of the producer
parcels         chunks for consumers
strays          what a consumer had that is gone, for another one
shipping        the account of all that
hub             what the three have in common: who is there, waking, the end
to_hub          the producer's side as a stage
from_hub        the consumer's side as a stage
"""
