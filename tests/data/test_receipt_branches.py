"""Goal: an end that gets one element over two branches stores both. Method: the intake of a spool, told of both."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Origin, Receipt
from rt_edge.spool.intake import Intake


class _Nobody:
    def on_outcome(self, receipt, marks, outcome):
        """Nobody asks."""


def test_both_branches_of_a_fan_out_are_new_when_they_meet_again_at_one_end():
    """The same mark of the same origin, over two branches: two elements; over one branch twice: one."""
    origin = Origin("plc", "life-1")
    origin.keys[0] = b"\x00\x01digest"
    origin.redelivered.add(0)
    one, two = Chunk(["a"], Receipt(range(1), _Nobody(), origin)).fork(2)
    intake = Intake()
    assert intake.admit(one.receipt.origin, one.marks) == [True]
    assert intake.admit(two.receipt.origin, two.marks) == [True]
    assert intake.admit(two.receipt.origin, two.marks) == [False]
    one.settle()
    two.settle()


def test_a_branch_knows_what_its_origin_learns_later():
    """Floor, session and keys of a branch are the origin's of now."""
    origin = Origin("plc", "life-1")
    branch = Chunk(["a"], Receipt(range(1), _Nobody(), origin)).fork(2)[1].receipt.origin
    origin.floor, origin.session = 7, "s"
    origin.keys[9] = b"k"
    assert (branch.name, branch.floor, branch.session, branch.keys) == ("plc/1", 7, "s", {9: b"k"})
