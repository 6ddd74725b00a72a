"""Forms: read, checked to come from a page of this console, carried out, and answered with a page."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, cast
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route

from tallyhook_mock.clock import ClockBusy
from tallyhook_mock.console.notice import Notice
from tallyhook_mock.mock import Mock

__all__ = [
    "Command",
    "Form",
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


def mock_of(request: Request) -> Mock:
    return cast(Mock, request.app.state.mock)


def command(path: str, carry_out: Command) -> Route:
    """A route for a form. `carry_out` returns what was done, in words.

    Its ValueError (a Refusal is one), ClockBusy and HTTPException 400 are told on the page that the form
    stood on.
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
    """Back to the page that the form stood on."""
    response = RedirectResponse(_own_page(form.get("back", "")), 303)
    if notice is not None:
        notice.put_on(response)
    return response


async def read_form(request: Request) -> Form:
    """The fields of a form; 403 if it is none of this console's."""
    form = await read_fields(request)
    expected: str = request.app.state.form_token
    if not hmac.compare_digest(form.get("token", "").encode(), expected.encode()):
        raise HTTPException(403, "This form is not from a page of the console as it runs now: load it again.")
    return form


async def read_fields(request: Request) -> Form:
    """The fields by name; 400 if they can't be read, 413 if there are too many.

    What is given several times is joined by spaces: nothing that can be chosen several times holds one.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST:
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
    """A field that must not be empty; ValueError."""
    value = form.get(name, "").strip()
    if not value:
        raise ValueError(f"{name}: a value is required")
    return value


def _own_page(path: str) -> str:
    """A path of this console: what follows a form must not lead to another site."""
    return path if path == "/" or path.startswith(("/?", "/console/")) else "/"
