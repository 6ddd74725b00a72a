"""What this package raises on purpose stands under `Error`; misuse is a ValueError or a TypeError."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallyhook.cheddar.models import Customer

MASK = "•••"
"""What stands in place of a secret."""


class Error(Exception):
    """Any failure to get an answer out of a billing system, or to read it."""


class APIError(Error):
    """A billing system refused a call. What is said here of attributes is documented for Cheddar; the other
    systems' packages say what theirs mean.

    Statuses with a class of their own are raised as that class, any other as this one.

    Attributes:
        status: the HTTP status, or the document's code where an error came with a 2xx.
        message: the system's sentence, without card data and credentials.
        aux_code: refines the status: the gateway's number on a 422, `field:reason` on a 412; may be empty.
        error_id: the number in the system's log, may be empty.
        customer: Cheddar's customer as it is now, when the error came embedded in its document.
        documented: True if the error came in the API's own error document. A bare 4xx or 5xx (a proxy's page,
            an empty body) is not documented, and doesn't tell whether the call was applied.
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
        # All of them are arguments of the exception, so that it survives pickling.
        super().__init__(status, message, aux_code, error_id, customer, documented)
        self.status = status
        self.message = message
        self.aux_code = aux_code
        self.error_id = error_id
        self.customer = customer
        self.documented = documented

    @property
    def field(self) -> str:
        """The first field that a 412 complains about, in Cheddar's spelling; otherwise empty (documented)."""
        return self.aux_code.partition(":")[0] if self.status == 412 else ""

    def __str__(self) -> str:
        details = ", ".join(
            text for text in (self.aux_code, self.error_id and f"error {self.error_id}") if text
        )
        return f"{self.status} {self.message}" + (f" ({details})" if details else "")


class BadRequest(APIError):
    """400: the call itself makes no sense, for example because it names no product."""


class Unauthorized(APIError):
    """401: no credentials, wrong ones, or no access to this product or gateway."""


class NotFound(APIError):
    """404: nothing goes by that name, no such path, or a list that would be empty."""


class PreconditionFailed(APIError):
    """412: a field is missing or malformed; `field` names it."""


class UnprocessableEntity(APIError):
    """422: the gateway declined a payment, or what is to be paid with; `aux_code` says why."""


class InternalError(APIError):
    """500: something broke at the billing system."""


class BadGateway(APIError):
    """502: the payment gateway could not be reached or understood."""


class ServiceUnavailable(APIError):
    """503: planned downtime."""


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
    """The exception of a status's own class, from the API's own error document unless told otherwise."""
    return BY_STATUS.get(status, APIError)(status, message, aux_code, error_id, customer, documented)


def bare_error(status: int) -> APIError:
    """The exception for a status that came without an error document."""
    # Proxies put pages of their own in front of an API; nothing in them is worth repeating.
    return api_error(status, "no error document came with this status", documented=False)


class NoAnswer(Error):
    """The connection failed, timed out, or the answer was cut.

    Attributes:
        maybe_applied: False when the request certainly never left; True when the system may have carried it
            out, so that only reading again what it is about can tell.
    """

    def __init__(self, message: str, maybe_applied: bool) -> None:
        super().__init__(message, maybe_applied)
        self.message = message
        self.maybe_applied = maybe_applied

    def __str__(self) -> str:
        return self.message


class UnusableClient(NoAnswer):
    """Nothing was sent: the client is closed, or its connections belong to another process or event loop."""

    def __init__(self, message: str, maybe_applied: bool = False) -> None:
        super().__init__(message, maybe_applied)


class DecodeError(Error):
    """A document or a hook can't be read.

    The text names the place (`subscription.invoice.charges[0].eachAmount`), never what stands there. A call
    whose answer can't be read may have been applied.

    Attributes:
        path: that place in Cheddar's words; empty when the whole is unreadable.
        maybe_applied: True, as for NoAnswer.
    """

    maybe_applied = True

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem, path)
        self.problem = problem
        self.path = path

    def under(self, step: str) -> DecodeError:
        """The same error, seen from one step further out."""
        if not self.path:
            return DecodeError(self.problem, step)
        return DecodeError(self.problem, step + ("" if self.path.startswith("[") else ".") + self.path)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


class WrongDocument(DecodeError):
    """The answer is a proper document, but not of what was asked for: another customer's, or several.

    A gateway mixed up two answers, for example. A write that is answered so may have been applied.
    """


class BadSignature(Error):
    """A hook isn't signed with any of the keys, or too long ago."""
