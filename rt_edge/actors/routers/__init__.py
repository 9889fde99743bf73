"""Routers: actors that pass messages on to others by a strategy of `rt_edge.streams.routing`.

A router is a pool (it creates its routees, starts dead ones again, grows and shrinks) or a group (it is given addresses). Work is
pulled: a routee has at most `window` messages that it has not finished, and says so when it has; the rest waits in the router, in
queues with a bound and a named overflow. A question is answered, or its asker is told why not.

messages    what goes in and out
settings    of a router
members     what a router knows of a routee
core        the decisions, without Thespian: it runs in tests on a network that repeats, delays and reorders
questions   one answer for each question, in time
pool        owns routees: starts dead ones again, follows the pressure
actor       RouterActor, the core as an actor
routee      RouteeActor, the base of those behind a router
stream_*    streams through a router; the streams of an actor (`StreamDesk`)
topic_*     publish and subscribe between actors, with receipts: TopicActor, TopicClient, TopicStages
"""
