"""The running mock that a command talks to."""

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

import click

from tallyhook_mock.cli.completion import customer_codes, product_codes
from tallyhook_receiver.cli.command import BAD, USAGE, fail

if TYPE_CHECKING:
    import ssl

__all__ = [
    "Remote",
    "after_option",
    "customer_argument",
    "mock_option",
    "path",
    "product_option",
    "say_more",
    "trust",
]

_URL = "http://127.0.0.1:8421"
_CONNECT = 5.0  # seconds until a mock is taken for missing

mock_option = click.option(
    "--mock",
    "url",
    metavar="URL",
    default=_URL,
    envvar="TALLYHOOK_MOCK",
    show_envvar=True,
    help="Where the mock runs.",
)
product_option = click.option(
    "--product",
    metavar="CODE",
    shell_complete=product_codes,
    help="Only this product. Needed if several have this customer.",
)
customer_argument = click.argument(
    "customer", metavar="CUSTOMER", shell_complete=customer_codes, help="A customer's code."
)
after_option = click.option(
    "--after", metavar="NEXT", help="Continue an earlier list, with the value that it printed."
)


class Remote:
    """The control API of a mock, its answers as parsed JSON, a picture as its text.

    Whatever goes wrong ends the command with one line: exit code 1 if the mock refuses for how things are,
    2 if it can't be reached or doesn't understand what was asked for.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            self._address = (parts.hostname or "", parts.port)
        except ValueError:
            fail(f"--mock: {url!r} is not a URL such as {_URL}", USAGE)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            fail(f"--mock: {url!r} is not a URL such as {_URL}", USAGE)
        self.url = url.rstrip("/")
        self._is_secure, self._path = parts.scheme == "https", parts.path.rstrip("/")

    def get(self, path: str, wanted: Mapping[str, str | int | None] | None = None) -> Any:
        """With the query parameters that are not None."""
        given = {name: value for name, value in (wanted or {}).items() if value is not None}
        return self._ask("GET", f"{path}?{urlencode(given)}")

    def post(self, path: str, wish: Mapping[str, Any] | None = None) -> Any:
        """With the parts of the wish that are not None."""
        given = {name: value for name, value in (wish or {}).items() if value is not None}
        return self._ask("POST", path, given)

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

    def products(self, code: str | None = None) -> list[dict[str, Any]]:
        """Those of the catalogue, or the one that is named."""
        products = [dict(each) for each in self.get("/catalog")["products"]]
        found = [each for each in products if code in (None, each["code"])]
        if not found:
            known = ", ".join(each["code"] for each in products) or "none"
            fail(f"--product: there is no {code!r}; there is {known}", USAGE)
        return found

    def product(self, code: str | None) -> dict[str, Any]:
        """The product that is named, or the only one."""
        found = self.products(code)
        if len(found) != 1:
            fail(f"--product: one of {', '.join(each['code'] for each in found)} is required", USAGE)
        return found[0]

    def product_of(self, customer: str, code: str | None) -> str:
        """The code of the product that is named, or of the only one that has such a customer."""
        products = [str(each["code"]) for each in self.products(code)]
        if len(products) > 1:
            having = [each for each in products if self._has(each, customer)]
            if not having:
                fail(f"no product has a customer {customer!r}: there is {', '.join(products)}", BAD)
            products = having
        if len(products) > 1:
            fail(f"--product: one of {', '.join(products)} is required, each has a {customer!r}", USAGE)
        return products[0]

    def call(self, name: str, product: str, parameters: Mapping[str, str | None]) -> None:
        """Have a call of Cheddar's API carried out, with the parameters that are not None."""
        given = {key: value for key, value in parameters.items() if value is not None}
        self.post("/calls", {"call": name, "product": product, "parameters": given})

    def customer(self, code: str, product: str) -> dict[str, Any]:
        """As `tallyhook customers --json` shows it."""
        found = self.get("/customers", {"product": product})["customers"]
        return next(dict(each) for each in found if each["code"] == code)

    def _has(self, product: str, customer: str) -> bool:
        status, _, _ = self._send(
            "GET", f"{path('customers', customer, 'invoices')}?limit=1&product={quote(product)}"
        )
        return status == 200

    def _ask(self, method: str, path: str, wish: Mapping[str, Any] | None = None) -> Any:
        status, kind, content = self._send(method, path, wish)
        if status == 204:
            return None
        if kind == "image/svg+xml":
            return content.decode()
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or (status >= 400 and "error" not in answer):
            self.fail_as_stranger()
        if status >= 400:
            fail(str(answer["error"]), USAGE if status == 400 else BAD)
        return _Answer(self, answer)

    def _send(self, method: str, path: str, wish: Mapping[str, Any] | None = None) -> tuple[int, str, bytes]:
        """Status, content type and content of the answer."""
        connection = self._connection()
        try:
            connection.connect()
            # Moving the clock takes as long as what happens meanwhile; being there is found out at once.
            connection.sock.settimeout(None)
            body = None if wish is None else json.dumps(wish)
            connection.request(
                method, f"{self._path}/_mock{path}", body, {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            return answer.status, answer.headers.get_content_type(), answer.read()
        except HTTPException:
            self.fail_as_stranger()
        except OSError as error:
            why = error.strerror or str(error)
            start = "start one with `tallyhook mock`, or name it with --mock URL"
            fail(f"no mock answers at {self.url} ({why}); {start}", USAGE)
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        if self._is_secure:
            return HTTPSConnection(*self._address, timeout=_CONNECT, context=trust())
        return HTTPConnection(*self._address, timeout=_CONNECT)

    def fail_as_stranger(self) -> NoReturn:
        fail(f"{self.url} answers, but is no Tallyhook mock; name one with --mock URL", USAGE)


class _Answer(dict[str, Any]):
    """An object that a mock answers with. Another server's lacks what is looked for in it."""

    def __init__(self, remote: Remote, content: dict[str, Any]) -> None:
        super().__init__(content)
        self._remote = remote

    def __missing__(self, name: str) -> Any:
        self._remote.fail_as_stranger()


def say_more(following: str | None) -> None:
    """Tell a person, beside what is printed for programs, that a list goes on."""
    if following is not None:
        click.echo(f"There is more: go on with --after {following}", err=True)


def path(*names: str) -> str:
    """A path from names that may hold anything."""
    return "".join(f"/{quote(name, safe='')}" for name in names)


def _fits(each: Mapping[str, Any], name: str) -> bool:
    return bool(name) and (each["id"].startswith(name.lower()) or each.get("url") == name)


def trust() -> "ssl.SSLContext":
    """The machine's authorities, and the one that `tallyhook mock --tls` has made here."""
    import ssl

    from tallyhook_mock.tls import default_directory

    context = ssl.create_default_context()
    authority = default_directory() / "ca.pem"
    if authority.exists():
        context.load_verify_locations(authority)
    return context
