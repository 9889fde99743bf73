"""Routee: what a strategy knows of one who can be given elements: a branch, a consumer of a hub, an actor."""

from __future__ import annotations


class Routee:
    """One who can be given elements. The owner of a list of these keeps them up to date; strategies only read them.

    Args:
        name: identifies it among its fellows, for as long as it is there; a hash ring is made of the names.
        credit: elements it has asked for, or has room for, and was not given. 0: it is busy.
        load: elements it was given and has not finished, those that wait for it included.
    """

    __slots__ = ("credit", "load", "name")

    def __init__(self, name: str, credit: int = 0, load: int = 0) -> None:
        self.name = name
        self.credit = credit
        self.load = load

    def __repr__(self) -> str:
        return f"Routee({self.name}, credit={self.credit}, load={self.load})"
