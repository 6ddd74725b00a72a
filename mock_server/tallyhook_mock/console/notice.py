"""The message that a page shows after a form was sent."""

import json
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["Notice"]

_COOKIE = "tallyhook_notice"
_MOST = 600  # characters, because cookies have a size limit


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for the next page. It is stored in a cookie, which that page deletes."""

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
