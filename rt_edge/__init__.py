"""rt_edge: an IoT edge gateway that forwards every reading, once, through any outage.

Layers, low to high (import-linter holds them, see pyproject.toml):

    data -> protocol -> telemetry -> streams -> sdk -> settings -> spool -> uplink
         -> actors -> daemon -> testkit -> cli
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
