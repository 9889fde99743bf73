"""Routing: who gets an element, who is asked, and how many there should be; decisions only, without I/O.

Everything here is a value or a small state machine: demand, time and randomness come in as parameters, so the same decisions
serve a stage (`rt_edge.streams.stages`), a hub (`rt_edge.streams.hubs`) and an actor, and a test can repeat them.

routee      what a strategy knows of one who can be given elements
strategy    round robin, random, balancing, most demand, broadcast
hashing     the consistent-hash ring, and routing by key
weights     priorities that change live, and shares in proportion to them
rated       yields, measured, and shares in proportion to them
content     a predicate for each routee
asked       the seam to whoever answers questions: a router actor, from a stream
asking      requests to several: the first answer, one after the other, one with a substitute
resizer     how many routees a pool should have
named       strategies by name, for settings
"""
