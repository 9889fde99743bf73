"""Read every secret of a configuration once, to see that it is there; for `rt-edge check --secrets`."""

from __future__ import annotations

from rt_edge.data.errors import FatalAdapterError
from rt_edge.settings.draft import Draft
from rt_edge.settings.frozen import secrets_in
from rt_edge.settings.plan import NodePlan
from rt_edge.settings.report import Report


def check_secrets(_plan: NodePlan, draft: Draft, report: Report) -> None:
    """An error for every secret that cannot be read; a `Check` for `load`. Values are forgotten at once."""
    for name, checked in draft.adapters.items():
        for where, secret in secrets_in(checked.settings):
            try:
                secret.reveal()
            except FatalAdapterError as error:
                report.error(("adapters", name, *where), error.message, error.hint)
