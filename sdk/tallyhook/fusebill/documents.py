"""Fusebill's answers: bytes into models, and refusals into exceptions."""

from tallyhook._call import Reader
from tallyhook._model import Model, read, read_list
from tallyhook.errors import APIError, DecodeError, api_error, bare_error
from tallyhook.fusebill.models import BillingPeriodDefinition

__all__ = ["definition", "definitions", "nothing", "refusal"]


class _Complaint(Model, frozen=True, kw_only=True, rename="pascal"):
    """What is wrong, and with what."""

    key: str = ""
    value: str = ""


class _Refusal(Model, frozen=True, kw_only=True, rename="pascal"):
    """What an error looks like (inferred)."""

    error_id: str = ""
    errors: tuple[_Complaint, ...] = ()


_READER = Reader(BillingPeriodDefinition)
_REFUSALS = Reader(_Refusal)


def definition(body: bytes) -> BillingPeriodDefinition:
    """The definition that a body is."""
    return read(BillingPeriodDefinition, _READER.object(body))


def definitions(body: bytes) -> tuple[BillingPeriodDefinition, ...]:
    """The definitions of a list."""
    nodes = _READER.node(body)
    if not isinstance(nodes, list):
        raise DecodeError("a list was expected")
    return read_list(BillingPeriodDefinition, nodes)


def nothing(body: bytes) -> None:
    """An answer that says no more than that it was done."""


def refusal(status: int, body: bytes) -> APIError:
    """The exception for a body that came with an error's status, whatever that body is."""
    try:
        said = read(_Refusal, _REFUSALS.object(body))
    except DecodeError:
        said = _Refusal()
    complaints = [f"{it.key}: {it.value}" if it.key else it.value for it in said.errors if it.value]
    if not complaints:
        return bare_error(status)
    message = "; ".join(complaints)
    error_id = "" if said.error_id == "0" else said.error_id
    return api_error(status, message, said.errors[0].key, error_id)
