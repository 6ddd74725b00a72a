"""This package's exceptions, all of them subclasses of `Error`.

Invalid arguments raise ValueError or TypeError instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallyhook.cheddar.models import Customer

MASK = "•••"
"""Replaces a secret."""


class Error(Exception):
    """The base of all exceptions of this package."""


class APIError(Error):
    """A billing system refused a call.

    The attributes below are documented for Cheddar. The packages of other systems say what the attributes
    mean there. A common status raises a subclass, and any other status raises this class.

    Attributes:
        status: the HTTP status, or the code in the error document if the HTTP status was a 2xx.
        message: the system's message, without card data and credentials.
        aux_code: more detail: the gateway's number for a 422, or `field:reason` for a 412; may be empty.
        error_id: the error's number in the system's log; may be empty.
        customer: the customer's current state in Cheddar, if the error came in the customer's document.
        documented: True if the error came in the API's own error document. It is False if the answer was
            empty or a proxy's page; then you can't tell whether the call was applied.
    """

    def __init__(
        self,
        status: int,
        message: str,
        aux_code: str = "",
        error_id: str = "",
        customer: Customer | None = None,
        documented: bool = False,
    ) -> None:
        # Pickling an exception needs all of its arguments here.
        super().__init__(status, message, aux_code, error_id, customer, documented)
        self.status = status
        self.message = message
        self.aux_code = aux_code
        self.error_id = error_id
        self.customer = customer
        self.documented = documented

    @property
    def field(self) -> str:
        """For a 412, the first invalid field's name in Cheddar's spelling; otherwise empty (documented)."""
        return self.aux_code.partition(":")[0] if self.status == 412 else ""

    def __str__(self) -> str:
        details = ", ".join(
            text for text in (self.aux_code, self.error_id and f"error {self.error_id}") if text
        )
        return f"{self.status} {self.message}" + (f" ({details})" if details else "")


class BadRequest(APIError):
    """400: the call is invalid, for example because it names no product."""


class Unauthorized(APIError):
    """401: credentials are missing or wrong, or have no access to this product or gateway."""


class NotFound(APIError):
    """404: there is no such object or path, or a list would be empty."""


class PreconditionFailed(APIError):
    """412: a field is missing or malformed; `field` names it."""


class UnprocessableEntity(APIError):
    """422: the gateway declined a payment or a payment method; `aux_code` says why."""


class InternalError(APIError):
    """500: an error inside the billing system."""


class BadGateway(APIError):
    """502: the payment gateway could not be reached, or its answer could not be understood."""


class ServiceUnavailable(APIError):
    """503: planned downtime of the billing system."""


BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequest,
    401: Unauthorized,
    404: NotFound,
    412: PreconditionFailed,
    422: UnprocessableEntity,
    500: InternalError,
    502: BadGateway,
    503: ServiceUnavailable,
}


def api_error(
    status: int,
    message: str,
    aux_code: str = "",
    error_id: str = "",
    customer: Customer | None = None,
    documented: bool = True,
) -> APIError:
    """Return the exception for an error document with this status."""
    return BY_STATUS.get(status, APIError)(status, message, aux_code, error_id, customer, documented)


def bare_error(status: int) -> APIError:
    """Return the exception for an answer with this status and no error document."""
    # The body isn't quoted, because it may be a proxy's page.
    return api_error(status, "the response had no error document", documented=False)


class NoAnswer(Error):
    """The connection failed or timed out, or the answer was cut off.

    Attributes:
        maybe_applied: False if the request was certainly not sent. True if the system may have applied the
            request; to find out, read the object that the request was about.
    """

    def __init__(self, message: str, maybe_applied: bool) -> None:
        super().__init__(message, maybe_applied)
        self.message = message
        self.maybe_applied = maybe_applied

    def __str__(self) -> str:
        return self.message


class UnusableClient(NoAnswer):
    """The client is closed, or its connections belong to another process or event loop.

    Nothing was sent, unless `maybe_applied` is True: then this happened between two attempts of a call.
    """

    def __init__(self, message: str, maybe_applied: bool = False) -> None:
        super().__init__(message, maybe_applied)


class DecodeError(Error):
    """A document or a hook can't be read.

    The message contains the path to the bad value (`subscription.invoice.charges[0].eachAmount`), but never
    the value itself. If a call raises this error, the call may have been applied.

    Attributes:
        path: the path to the bad value, with the names in the document; empty if the whole document is
            unreadable.
        maybe_applied: always True.
    """

    maybe_applied = True

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem, path)
        self.problem = problem
        self.path = path

    def under(self, step: str) -> DecodeError:
        """Return the same error with `step` added at the front of its path."""
        if not self.path:
            return DecodeError(self.problem, step)
        return DecodeError(self.problem, step + ("" if self.path.startswith("[") else ".") + self.path)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


class WrongDocument(DecodeError):
    """The answer is a valid document, but it is about the wrong object, or not about exactly one object.

    A proxy may have mixed up two answers. If the call was meant to change something, the change may have been
    applied.
    """


class BadSignature(Error):
    """A hook's signature matches none of the keys, or the signature is too old."""
