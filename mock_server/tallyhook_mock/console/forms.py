"""Forms: reads them, checks that they come from this console, runs their command, and redirects to a page."""

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
    """A route for a form. `carry_out` returns a message about what it did.

    If it raises ValueError (which includes Refusal), ClockBusy or HTTPException 400, the page with the form
    shows the error.
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
    """Redirect to the page with the form."""
    response = RedirectResponse(_own_page(form.get("back", "")), 303)
    if notice is not None:
        notice.put_on(response)
    return response


async def read_form(request: Request) -> Form:
    """The fields of a form. Answers 403 if it does not come from this console."""
    form = await read_fields(request)
    expected: str = request.app.state.form_token
    if not hmac.compare_digest(form.get("token", "").encode(), expected.encode()):
        raise HTTPException(403, "This form is from another run of the console. Reload the page.")
    return form


async def read_fields(request: Request) -> Form:
    """The fields by name. Answers 400 if they can't be read, 413 if the form is too long.

    Repeated fields are joined by spaces, which none of their values contain.
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
    """The value of a field. Raises ValueError if it is empty."""
    value = form.get(name, "").strip()
    if not value:
        raise ValueError(f"{name}: a value is required")
    return value


def _own_page(path: str) -> str:
    """The path if it belongs to this console, so that a form never redirects to another site."""
    return path if path == "/" or path.startswith(("/?", "/console/")) else "/"
