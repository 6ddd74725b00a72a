"""The running mock that a command talks to."""

import ssl
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import httpx
import typer

from tallyhook_receiver.cli.output import BAD, USAGE, fail

__all__ = ["URL", "After", "MockUrl", "ProductCode", "Remote", "path", "say_more", "trust"]

URL = "http://127.0.0.1:8421"

MockUrl = Annotated[
    str,
    typer.Option(
        "--mock", metavar="URL", envvar="TALLYHOOK_MOCK", show_envvar=True, help="Where the mock runs."
    ),
]
ProductCode = Annotated[
    str | None, typer.Option("--product", metavar="CODE", help="Needed if the mock has several products.")
]
After = Annotated[
    str | None,
    typer.Option("--after", metavar="NEXT", help="Go on where an earlier list ended, as that has said."),
]


class Remote:
    """The control API of a mock, its answers as parsed JSON, a picture as its text.

    Whatever goes wrong ends the command with one line: exit code 1 if the mock refuses for how things are,
    2 if it can't be reached or doesn't understand what was asked for.
    """

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            fail(f"--mock: {url!r} is not a URL such as {URL}", USAGE)
        self.url = url.rstrip("/")
        self._verify = trust() if url.startswith("https:") else False

    def get(self, path: str, wanted: Mapping[str, str | int | None] | None = None) -> Any:
        """With the query parameters that are not None."""
        given = {name: value for name, value in (wanted or {}).items() if value is not None}
        return self._ask("GET", path, params=given)

    def post(self, path: str, wish: Mapping[str, Any] | None = None) -> Any:
        """With the parts of the wish that are not None."""
        given = {name: value for name, value in (wish or {}).items() if value is not None}
        return self._ask("POST", path, json=given)

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def named(self, what: str, name: str) -> dict[str, Any]:
        """The one of `hooks` or `listeners` whose id begins so, or whose URL it is."""
        found = [each for each in self.get(f"/{what}")[what] if _fits(each, name)]
        if len(found) != 1:
            kind = what.removesuffix("s")
            why = f"no {kind} is" if not found else f"{len(found)} {what} are"
            fail(f"{why} called {name!r}; `tallyhook {what} list` shows them", BAD)
        return dict(found[0])

    def product(self, code: str | None) -> dict[str, Any]:
        """A product as the catalogue shows it, the only one if none is named."""
        products = self.get("/catalog")["products"]
        found = [each for each in products if code in (None, each["code"])]
        if len(found) != 1:
            fail(f"--product: one of {', '.join(each['code'] for each in products)} is required", USAGE)
        return dict(found[0])

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        try:
            answer = httpx.request(
                method,
                f"{self.url}/_mock{path}",
                # Moving the clock takes as long as what happens meanwhile; being there is found out at once.
                timeout=httpx.Timeout(None, connect=5),
                verify=self._verify,
                trust_env=False,
                **request,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            fail(
                f"no mock answers at {self.url} ({error}); start one with `tallyhook mock`, or name it"
                " with --mock URL",
                USAGE,
            )
        if answer.status_code == 204:
            return None
        if answer.headers.get("Content-Type") == "image/svg+xml":
            return answer.text
        try:
            content = answer.json()
        except ValueError:
            fail(f"what answers at {self.url} is not the control API of a mock; name it with --mock", USAGE)
        if answer.is_error:
            fail(str(content.get("error", answer.status_code)), USAGE if answer.status_code == 400 else BAD)
        return content


def say_more(following: str | None) -> None:
    """Tell a person, beside what is printed for programs, that a list goes on."""
    if following is not None:
        typer.echo(f"There is more: go on with --after {following}", err=True)


def path(*names: str) -> str:
    """A path from names that may hold anything."""
    return "".join(f"/{quote(name, safe='')}" for name in names)


def _fits(each: Mapping[str, Any], name: str) -> bool:
    return bool(name) and (each["id"].startswith(name.lower()) or each.get("url") == name)


def trust() -> ssl.SSLContext:
    """The machine's authorities, and the one that `tallyhook mock --tls` has made here."""
    from tallyhook_mock.tls import default_directory

    context = ssl.create_default_context()
    authority = default_directory() / "ca.pem"
    if authority.exists():
        context.load_verify_locations(authority)
    return context
