"""Delivery, once each: the protocol between an uplink and an ingress, and the stores records end in.

`sender.Sender` (the edge's side) and `receiver.Receiver` (the ingress') are state machines without I/O: link, spool, store and
time come in as calls, `effects` come out, and the drivers in `rt_edge.actors.island` carry them out. `frames` is what they say to
each other, `reconcile` what they do when their numbers contradict. `stores/` keeps data and position in one transaction.
"""
