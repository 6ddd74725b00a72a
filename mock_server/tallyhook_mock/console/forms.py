"""Handles forms: checks that a form comes from this console, runs its command, and redirects to a page."""

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Self, TypeAlias
from urllib.parse import parse_qsl, quote, unquote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tallyhook_mock.clock import ClockBusy
from tallyhook_mock.control.requests import mock_of
from tallyhook_mock.middleware import receive_body
from tallyhook_mock.mock import Mock

__all__ = [
    "Command",
    "Form",
    "Notice",
    "answer",
    "command",
    "mock_of",
    "read_fields",
    "read_form",
    "required",
]

Form: TypeAlias = Mapping[str, str]
Command: TypeAlias = Callable[[Mock, Form], Awaitable[str]]

_MOST = 64_000  # bytes of a form
_NOTICE = "tallyhook_notice"
_LONGEST = 600  # characters, because cookies have a size limit


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for the next page. It is stored in a cookie, which that page deletes."""

    text: str
    is_bad: bool = False

    def put_on(self, response: Response) -> None:
        value = quote(json.dumps([self.text[:_LONGEST], self.is_bad]), safe="")
        response.set_cookie(_NOTICE, value, max_age=30, httponly=True, samesite="strict")

    @classmethod
    def of(cls, request: Request) -> Self | None:
        try:
            text, is_bad = json.loads(unquote(request.cookies.get(_NOTICE, "")))
        except (ValueError, TypeError):
            return None
        return cls(str(text), bool(is_bad))

    @staticmethod
    def take_off(response: Response) -> None:
        response.delete_cookie(_NOTICE, httponly=True, samesite="strict")


def command(path: str, carry_out: Command) -> Route:
    """Return a route that runs `carry_out` when a form is sent.

    Then the page with the form shows the message that `carry_out` returned, or the error if it raised
    ValueError (which includes Refusal), ClockBusy or HTTPException 400.
    """

    async def endpoint(request: Request) -> RedirectResponse:
        form = await read_form(request)
        try:
            notice = Notice(await carry_out(mock_of(request), form))
        except (ValueError, ClockBusy) as error:
            notice = Notice(str(error), is_bad=True)
        except HTTPException as error:
            if error.status_code != 400:
                raise
            notice = Notice(error.detail, is_bad=True)
        return answer(form, notice)

    return Route(path, endpoint, methods=["POST"])


def answer(form: Form, notice: Notice | None = None) -> RedirectResponse:
    """Return a redirect to the page with the form, which then shows `notice`, if there is one."""
    response = RedirectResponse(_own_page(form.get("back", "")), 303)
    if notice is not None:
        notice.put_on(response)
    return response


async def read_form(request: Request) -> Form:
    """Return the fields of a form. Answers 403 if the form does not come from this console."""
    form = await read_fields(request)
    expected: str = request.app.state.form_token
    if not hmac.compare_digest(form.get("token", "").encode(), expected.encode()):
        raise HTTPException(403, "This form is from another run of the console. Reload the page.")
    return form


async def read_fields(request: Request) -> Form:
    """Return a form's fields by name. Answers 400 if they can't be read, and 413 if the form is too long.

    The values of a repeated field are joined by spaces, which is safe because none of them contains a space.
    """
    body = await receive_body(request, _MOST)
    if body is None:
        raise HTTPException(413, f"The form is longer than {_MOST} bytes.")
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise HTTPException(400, "The form can't be read.") from None
    form: dict[str, str] = {}
    for name, value in fields:
        form[name] = f"{form[name]} {value}" if name in form else value
    return form


def required(form: Form, name: str) -> str:
    """Return the value of a form's field. Raises ValueError if it is empty."""
    value = form.get(name, "").strip()
    if not value:
        raise ValueError(f"{name}: a value is required")
    return value


def _own_page(path: str) -> str:
    """Return the path if it belongs to this console, and `/` otherwise.

    This prevents a form from redirecting to another site.
    """
    return path if path == "/" or path.startswith(("/?", "/console/")) else "/"
