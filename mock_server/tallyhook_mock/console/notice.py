"""The message on a page about the form just sent."""

import json
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["Notice"]

_COOKIE = "tallyhook_notice"
_MOST = 600  # characters, since cookies are limited


@dataclass(frozen=True, slots=True)
class Notice:
    """A message in a cookie. The next page shows it and deletes the cookie."""

    text: str
    is_bad: bool = False

    def put_on(self, response: Response) -> None:
        value = quote(json.dumps([self.text[:_MOST], self.is_bad]), safe="")
        response.set_cookie(_COOKIE, value, max_age=30, httponly=True, samesite="strict")

    @classmethod
    def of(cls, request: Request) -> Self | None:
        try:
            text, is_bad = json.loads(unquote(request.cookies.get(_COOKIE, "")))
        except (ValueError, TypeError):
            return None
        return cls(str(text), bool(is_bad))

    @staticmethod
    def take_off(response: Response) -> None:
        response.delete_cookie(_COOKIE, httponly=True, samesite="strict")
