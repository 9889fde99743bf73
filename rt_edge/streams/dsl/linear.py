"""Source, Flow, Sink under the name by which all import them.

What they are is in `parts`; which types go in and come out is in `linear.pyi`, which `python -m rt_edge.streams.dsl.stubs` makes
of the signatures of all families of operators: one signature here becomes two there, one of `Source` and one of `Flow`.
"""

from rt_edge.streams.dsl.parts import Flow, Sink, Source

__all__ = ["Flow", "Sink", "Source"]
