"""Streams: stages, the engine that runs them fused and in chunks, and the language to write them down.

stage         the interface for stages; stages/ has those there are, one verb a file
engine        runs a blueprint in one thread; host is the thread, the timers and the clock it runs on
ledger        the origin's side of receipts
model         graphs as configuration and commands share them; catalogue makes stages of their nodes, planner checks them
dsl/          Source, Flow, Sink, Graph
boundary/     wires between islands
elementwise/  any of it as Publisher, Subscriber or Processor of `rt_edge.protocol`
expression/   expressions on the fields of a Reading
"""
