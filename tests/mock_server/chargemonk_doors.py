"""The two doors of Chargemonk: the control API, and the forms of the console. Both lead to the same rules."""

import html
import re
from collections.abc import Mapping
from typing import Any, Protocol

import httpx
from lxml import html as markup

from .loopback import catalog

Cycles = Mapping[str, int | None]

PLANS = [
    {"code": "MONTHLY", "name": "Monthly", "price": "200.00"},
    {"code": "QUARTERLY", "name": "Quarterly", "price": "540.00", "termMonths": 3},
    {"code": "HALF", "name": "Half a year", "price": "600.00", "termMonths": 6},
    {"code": "FOUR", "name": "Four months", "price": "50.00", "billingCycles": 4},
]
ADD_ONS = [
    {"code": "SETUP", "name": "Setup fee", "price": "100.00", "periodMonths": 1},
    {"code": "CARE", "name": "Care", "price": "20.00", "periodMonths": 2},
    {"code": "VISIT", "name": "Visit", "price": "80.00"},
]


def offering(*subscriptions: Mapping[str, Any]) -> dict[str, Any]:
    """A catalogue with plans and add-ons of Chargemonk."""
    section = {"plans": PLANS, "addOns": ADD_ONS, "subscriptions": list(subscriptions)}
    return catalog() | {"chargemonk": section}


class Refused(Exception):
    """What a door said instead of doing it."""


class Door(Protocol):
    def create(self, id: str, plan: str, add_ons: Cycles) -> None: ...

    def add(self, id: str, code: str, cycles: int | None) -> None: ...

    def set_cycles(self, id: str, code: str, cycles: int | None) -> None: ...

    def advance_invoice(self, id: str, terms: int) -> None: ...

    def change_term(self, id: str, plan: str, cycles: Cycles) -> None: ...

    def cancel(self, id: str) -> None: ...

    def reactivate(self, id: str) -> None: ...

    def advance(self, to: str) -> None: ...


class Control:
    """JSON under `/_mock`."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def create(self, id: str, plan: str, add_ons: Cycles) -> None:
        self._post("", id=id, planCode=plan, addOns=_listed(add_ons))

    def add(self, id: str, code: str, cycles: int | None) -> None:
        self._post(f"/{id}/add-ons", code=code, billingCycles=cycles)

    def set_cycles(self, id: str, code: str, cycles: int | None) -> None:
        self._post(f"/{id}/cycles", code=code, billingCycles=cycles)

    def advance_invoice(self, id: str, terms: int) -> None:
        self._post(f"/{id}/advance-invoice", terms=terms)

    def change_term(self, id: str, plan: str, cycles: Cycles) -> None:
        self._post(f"/{id}/term", planCode=plan, addOns=_listed(cycles))

    def cancel(self, id: str) -> None:
        self._post(f"/{id}/cancel")

    def reactivate(self, id: str) -> None:
        self._post(f"/{id}/reactivate")

    def advance(self, to: str) -> None:
        assert self._client.post("/_mock/clock", json={"to": to}).status_code == 200

    def _post(self, path: str, **wish: Any) -> None:
        answer = self._client.post(f"/_mock/chargemonk/subscriptions{path}", json=wish)
        if answer.is_error:
            raise Refused(answer.json()["error"])


class Pages:
    """The forms as they stand on the pages: what a page does not show can't be sent."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.told = ""

    def create(self, id: str, plan: str, add_ons: Cycles) -> None:
        fields = {f"addOn-{code}": "1" for code in add_ons}
        fields |= {f"cycles-{code}": str(cycles) for code, cycles in add_ons.items() if cycles}
        self._send(
            "/console/chargemonk", "/console/chargemonk/create", {"id": id, "planCode": plan, **fields}
        )

    def add(self, id: str, code: str, cycles: int | None) -> None:
        self._send(_page(id), "/console/chargemonk/add", {"code": code, "billingCycles": _typed(cycles)})

    def set_cycles(self, id: str, code: str, cycles: int | None) -> None:
        self._send(_page(id), "/console/chargemonk/cycles", {"billingCycles": _typed(cycles)}, code=code)

    def advance_invoice(self, id: str, terms: int) -> None:
        self._send(_page(id), "/console/chargemonk/advance", {"terms": str(terms)})

    def change_term(self, id: str, plan: str, cycles: Cycles) -> None:
        typed = {f"cycles-{code}": _typed(number) for code, number in cycles.items()}
        self._send(_page(id), "/console/chargemonk/term", {"planCode": plan, **typed})

    def cancel(self, id: str) -> None:
        self._send(_page(id), "/console/chargemonk/cancel", {})

    def reactivate(self, id: str) -> None:
        self._send(_page(id), "/console/chargemonk/reactivate", {})

    def advance(self, to: str) -> None:
        self._send("/console/chargemonk", "/console/clock/advance", {"to": to})

    def _send(self, path: str, action: str, typed: Mapping[str, str], **hidden: str) -> None:
        """Fill in the form that does this, of several the one with these hidden fields, and send it."""
        page = markup.fromstring(self._client.get(path).text)
        (form,) = (
            form
            for form in page.forms
            if form.action == action and hidden.items() <= dict(form.form_values()).items()
        )
        assert typed.keys() <= set(form.fields), action
        fields = dict(form.form_values()) | typed
        answer = self._client.post(action, data=fields, follow_redirects=True)
        notice = re.search(r'<p class="notice([^"]*)"[^>]*>(.*?)</p>', answer.text)
        assert notice is not None, answer.text
        self.told = html.unescape(notice[2]).replace("\u00a0", " ")
        if "is-bad" in notice[1]:
            raise Refused(self.told)


def _page(id: str) -> str:
    return f"/console/chargemonk/{id}"


def _typed(cycles: int | None) -> str:
    return "" if cycles is None else str(cycles)


def _listed(cycles: Cycles) -> list[dict[str, Any]]:
    return [{"code": code, "billingCycles": number} for code, number in cycles.items()]
