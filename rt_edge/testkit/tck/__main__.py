"""`python -m rt_edge.testkit.tck`: each rule with the tests that name it."""

from __future__ import annotations

import sys

from rt_edge.testkit.tck import IdentityProcessorVerification, SubscriberBlackboxVerification, table

if __name__ == "__main__":
    sys.stdout.write(table(IdentityProcessorVerification, SubscriberBlackboxVerification) + "\n")
