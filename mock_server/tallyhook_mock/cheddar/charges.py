"""Charges and credits as calls bring them: code, quantity and amount are required, in this order."""

from tallyhook_mock.cheddar import fields
from tallyhook_mock.cheddar.parameters import Parameters
from tallyhook_mock.engine.cheddar.billing import NewCharge
from tallyhook_mock.engine.cheddar.product import CHARGE_CODE_LENGTH

__all__ = ["read_charge", "read_charges"]


def read_charge(parameters: Parameters) -> NewCharge:
    """One charge; a negative amount is a credit."""
    return NewCharge(
        fields.required(parameters, "chargeCode", CHARGE_CODE_LENGTH),
        fields.count(parameters, "quantity"),
        fields.amount(parameters, "eachAmount"),
        fields.text(parameters, "description"),
    )


def read_charges(parameters: Parameters) -> list[NewCharge]:
    """Every charge of `charges[k][…]`, in the order of the call."""
    return [read_charge(entry) for entry in parameters.levels("charges")]
