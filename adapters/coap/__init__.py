"""CoAP: asks and observes devices, or takes what they push. What it promises and what it does not: README.md in this folder."""

from adapters.coap.adapter import CoapAdapter

__all__ = ["CoapAdapter"]
