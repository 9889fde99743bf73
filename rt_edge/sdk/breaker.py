"""Circuit breaker for adapters: a device, a unit, an endpoint that does not answer is left alone for a while, then probed.

    breaker = Breaker(BreakerLimits(failures=3, reset_min=5.0), context.random)
    if breaker.allows(now): ...ask it..., then breaker.succeeded() or breaker.failed(now)

The same state machine is the stage `circuit_breaker`; where a bus is shared, `failed(now, at_least=20 * cost)` bounds the share
of it that probes of a dead device take.
"""

from rt_edge.streams.breaker import Breaker, BreakerLimits, CallTimeout, CircuitOpen, Listener, State

__all__ = ["Breaker", "BreakerLimits", "CallTimeout", "CircuitOpen", "Listener", "State"]
