"""Streams inside a stage: `flat_map_merge`, `group_by`, `recover_with`, `restart` run a blueprint while they run themselves.

The rules of it:

- **Same thread, own engine.** A substream is an engine of its own on its parent's host (sub-fusing): no task, no thread, no
  queue between it and its stage. All substreams of a stage share one `Nest`, which runs those that have work.
- **Never inside a handler.** A nest runs in a turn of its own that the host's loop starts (`StageContext.soon`): neither from a
  handler of its parent nor from within another nest. So the stack does not grow with the depth of nesting, and no engine is
  entered twice. What substreams say (an element, the end, demand) is put down as an event while they run and told to the parent
  when they rest: a handler of the parent may stop any substream, the one that speaks too.
- **Bounded work.** A turn of a nest visits about `TURN_VISITS` wires in all, shared by the substreams that are ready, first
  come first served, and counted as they are visited; then the host gets the thread back. Streams are nested at most
  `MAX_DEPTH` deep.
- **It dies with its stage.** When the parent stops or is restarted, every substream is stopped: timers and tasks are cancelled,
  what it holds is dropped or failed as what the parent holds. A substream has ended when its outlet has; branches of it that
  still run (`also_to`) are left to end by themselves, `LINGERING` of them at most.
- **Receipts pass through.** A chunk goes into a substream and comes out with its receipt and marks. An element that becomes a
  substream (`flat_map_merge`) is an `Expansion`: what comes out bears the marks (mark of the element, place), however it is cut.
- **Demand is the parent's.** Substreams share the parent's credit: what is asked of all of them together is at most the demand
  at its outlet or a chunk, whichever is less, but at least one element each. What waits in front of substreams is bounded by the
  parent, which has an overflow policy where it cannot ask for less (`group_by`). Who divides what was asked for among flows
  (`group_by`) asks each for as much as it sends it, where that is more than its share.
- **Names and counters.** The graph nodes of a substream are called `parent/node`; their counters are the parent's.
- **Residue.** A flow that is taken out is ended and drained, so that a fold or a window in it gives what it would on completion;
  what waits for time or outside work comes raw. A source is not advanced for it.
"""

from rt_edge.streams.nested.declared import inner_combines, inner_hold, inner_part, inner_sink
from rt_edge.streams.nested.expansion import Expansion
from rt_edge.streams.nested.logic import NestingLogic, PipeLogic, too_few
from rt_edge.streams.nested.mold import Mold, flow_part, sink_part, source_part
from rt_edge.streams.nested.nest import Nest
from rt_edge.streams.nested.plain import plain_items, read_all
from rt_edge.streams.nested.substream import Substream

__all__ = [
    "Expansion",
    "Mold",
    "Nest",
    "NestingLogic",
    "PipeLogic",
    "Substream",
    "flow_part",
    "inner_combines",
    "inner_hold",
    "inner_part",
    "inner_sink",
    "plain_items",
    "read_all",
    "sink_part",
    "source_part",
    "too_few",
]
