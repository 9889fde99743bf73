"""Weighers on TCP; imports no more than a running node needs."""

from rt_edge_weigher.adapter import WeigherAdapter

__all__ = ["WeigherAdapter"]
