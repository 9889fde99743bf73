"""Goal: the consuming end of a wire keeps a key as long as a durable end may ask for it. Method: floors at random, a model."""

from __future__ import annotations

from random import Random

import pytest

from rt_edge.data.receipt import Origin
from rt_edge.streams.boundary.incoming import _forget


@pytest.mark.parametrize("seed", range(20))
def test_keys_below_the_floor_go_and_others_stay_when_the_floor_moves(seed: int) -> None:
    """Small and large steps, also over numbers that never had a key: what is left is what is not below the floor."""
    random = Random(seed)
    origin = Origin("mqtt", "1")
    kept: dict[int, bytes] = {}
    again: set[int] = set()
    number = 0
    for _ in range(200):
        number += random.choice((0, 1, 500))
        for n in range(number, number + random.randint(1, 30)):
            origin.keys[n] = kept[n] = b"%d" % n
            if random.random() < 0.2:
                origin.redelivered.add(n)
                again.add(n)
            number = n + 1
        floor = random.randint(origin.floor, number)
        if floor > origin.floor:
            _forget(origin, floor)
            kept = {n: key for n, key in kept.items() if n >= floor}
            again = {n for n in again if n >= floor}
        assert (origin.floor, origin.keys, origin.redelivered) == (max(origin.floor, floor), kept, again)
