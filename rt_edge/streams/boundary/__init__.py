"""Wires between islands: a stage at each end, and the signals of `rt_edge.protocol.signals` in between."""
