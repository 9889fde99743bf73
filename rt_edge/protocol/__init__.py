"""Reactive Streams: the four roles, demand arithmetic, rules by number, and the signals between islands. No I/O, no actors."""
