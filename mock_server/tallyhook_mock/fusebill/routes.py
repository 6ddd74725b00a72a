"""Which call a request is."""

from tallyhook_mock.engine.fusebill.refusal import Refusal

__all__ = ["DIGITS", "WrongMethod", "find", "is_fusebill"]

DIGITS = 18  # of an id at the most, in a path as in a body


class WrongMethod(Refusal):
    """A resource that has only these methods."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(405, "method", f"only {' and '.join(allowed)} can be used here")
        self.allowed = allowed


def is_fusebill(path: str) -> bool:
    """Whether a path belongs to this face."""
    return path.lower().startswith("/v1/")


def find(method: str, path: str) -> tuple[str, int]:
    """The action that a request asks for, and the id in its path, 0 if there is none.

    Capitals make no difference to paths (documented). Refusal for a resource or a method that there is not.
    """
    written = "0"
    match path.lower().strip("/").split("/"):
        case ["v1", "customers", written, "billingperioddefinitions"]:
            actions = {"GET": "billingPeriodDefinitions/list"}
        case ["v1", "billingperioddefinitions", "getbysubscription", written]:
            actions = {"GET": "billingPeriodDefinitions/getBySubscription"}
        case ["v1", "billingperioddefinitions", written]:
            actions = {"GET": "billingPeriodDefinitions/get", "DELETE": "billingPeriodDefinitions/delete"}
        case ["v1", "billingperioddefinitions"]:
            actions = {"POST": "billingPeriodDefinitions/create", "PUT": "billingPeriodDefinitions/edit"}
        case ["v1", "subscriptions", written, "billingperioddefinition"]:
            actions = {"PUT": "subscriptions/move"}
        case _:
            raise Refusal(404, "path", "there is no such resource")
    if method not in actions:
        raise WrongMethod(tuple(actions))
    if not (written.isascii() and written.isdigit() and len(written) <= DIGITS):
        raise Refusal(404, "id", "an id is a whole number")
    return actions[method], int(written)
