"""The rules that every adapter answers in its quality.yaml, with done or exempt and a reason."""

from __future__ import annotations

from types import MappingProxyType

RULES = MappingProxyType(
    {
        "demand-respected": "Never more Readings than were asked for; without demand the device is not asked, is not "
        "acknowledged, or is dropped from by a named strategy and a counter.",
        "bounded": "Every queue, cache, retry and wait has a bound.",
        "settings-documented": "Each setting has a docstring; sample.yaml is complete and valid.",
        "settings-have-units": "Each number that a user may set has its unit in its name, or is written with it (`5s`, `64KiB`).",
        "readme-complete": "README.md has the fixed headings, in their order.",
        "contract-tested": "A test class derives from `AdapterContract`, with a bench.",
        "publisher-tested": "A test class derives from `AdapterPublisherContract`: the rules of Reactive Streams.",
        "real-peer": "It is tested against an implementation that is not its author's.",
        "sans-io-codec": "codec.py is pure functions: no clock, no log, no library, no I/O.",
        "library-confined": "The protocol's library is imported in transport.py, or in files that are named for it.",
        "reconnect-tested": "Its bench takes the device away and brings it back.",
        "gaps-recorded": "What could not be read is a gap record, over a restart too.",
        "claims-declared": "`claims` names what two adapters of a node cannot both have.",
        "probe": "`probe` asks the device, and changes nothing.",
        "write": "Points can be written: the result says what is known, and a repeated key is answered, not repeated.",
    }
)
"""Rule -> what it asks. An adapter that does not need one is exempt and says why."""

HEADINGS = (
    "What it reads",
    "Settings",
    "Delivery guarantee",
    "Backpressure",
    "Failure behaviour",
    "Metrics",
    "Known limits",
    "Test set-up",
)
"""Of a README, in this order; others may stand between them."""

REASON_MIN = 10
"""Characters of a reason, at least."""
