"""A device that is not there: deterministic readings on demand. The model for authors of adapters."""

from adapters.simulated.adapter import SimulatedAdapter

__all__ = ["SimulatedAdapter"]
