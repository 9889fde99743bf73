"""Actors: the processes of a node, and the only package that knows Thespian.

system        starting the actor system of a node, and talking to it from outside
base          the base of all actors: never raises, at most one transmit under way for each target
guardian      owns the islands; island_actor hosts one, with an asyncio loop on a second thread (loop_thread)
island/       what runs in an island: members, the wires between them, the drivers of uplink, ingress and store
layout        which members share an island, which wires join them
process_tree  the processes as the main process sees them
transport/    the subclass of Thespian's transport: loopback wire, links with TLS between nodes
"""
