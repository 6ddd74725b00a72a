"""All probes: one for each rule that can be tested through the API."""

from collections.abc import Mapping

from tallyhook_mock.conform.probe import Probe
from tallyhook_mock.conform.probes import (
    cancellations,
    changes,
    held,
    invoices,
    outstanding,
    promotions,
    signup,
)

__all__ = ["PROBES"]

PROBES: Mapping[str, Probe] = {
    probe.rule: probe
    for family in (signup, changes, invoices, outstanding, promotions, cancellations, held)
    for probe in family.PROBES
}
