"""The commands' client for a running mock's control API."""

import json
import os
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

import click

from tallyhook_mock.cli.completion import customer_codes, product_codes
from tallyhook_mock.core.hooks import CHEDDAR
from tallyhook_mock.systems import SYSTEMS
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
    "stripped",
    "trust",
]

_URL = "http://127.0.0.1:8421"
_CONNECT = 5.0  # seconds to wait for a connection

mock_option = click.option(
    "--mock",
    "url",
    metavar="URL",
    default=_URL,
    envvar="TALLYHOOK_MOCK",
    show_envvar=True,
    help="The URL of the running mock.",
)
product_option = click.option(
    "--product",
    metavar="CODE",
    shell_complete=product_codes,
    help="Use only this product. Required if the command can't tell which product is meant.",
)


def stripped(_context: click.Context, _parameter: click.Parameter, code: str) -> str:
    """Return a customer's code without white space around it, which the API ignores."""
    return code.strip()


customer_argument = click.argument(
    "customer",
    metavar="CUSTOMER",
    callback=stripped,
    shell_complete=customer_codes,
    help="The customer's code.",
)
after_option = click.option(
    "--after",
    metavar="NEXT",
    help="Continue a list. NEXT is the value that the previous command printed.",
)


class Remote:
    """A client for a mock's control API. Its methods return parsed JSON, or the text of an SVG picture.

    An error ends the command with a one-line message. The exit code is 1 if the mock refuses a valid request,
    and 2 if the request is invalid or the mock can't be reached.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            self._address = (parts.hostname or "", parts.port)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError
        except ValueError:
            self._refuse(url, f"is not a URL such as {_URL}")
        if parts.path.rstrip("/").endswith("/_mock"):
            self._refuse(url, "is the address of the control API: leave out /_mock")
        self.url = url.rstrip("/")
        self._is_secure, self._path = parts.scheme == "https", parts.path.rstrip("/")

    @staticmethod
    def _refuse(url: str, why: str) -> NoReturn:
        given = "TALLYHOOK_MOCK" if url == os.environ.get("TALLYHOOK_MOCK") else "--mock"
        fail(f"{given}: {url!r} {why}", USAGE)

    def get(self, path: str, wanted: Mapping[str, str | int | None] | None = None) -> Any:
        """Send a GET request. Query parameters that are None are left out."""
        given = {name: value for name, value in (wanted or {}).items() if value is not None}
        return self._ask("GET", f"{path}?{urlencode(given)}")

    def post(self, path: str, wish: Mapping[str, Any] | None = None) -> Any:
        """Send a POST request with a JSON object. Values that are None are left out."""
        given = {name: value for name, value in (wish or {}).items() if value is not None}
        return self._ask("POST", path, given)

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def named(self, what: str, name: str) -> dict[str, Any]:
        """Return the hook or listener whose id begins with `name`, or whose URL is `name`.

        `what` is `hooks` or `listeners`. Exits with 1 if none matches, or several do.
        """
        found = [each for each in self.get(f"/{what}")[what] if _fits(each, name)]
        if len(found) != 1:
            kind = what.removesuffix("s")
            why = f"no {kind} is" if not found else f"{len(found)} {what} are"
            fail(f"{why} called {name!r}; `tallyhook {what} list` shows them", BAD)
        return dict(found[0])

    def products(self, code: str | None = None) -> list[dict[str, Any]]:
        """Return all the mock's products, or only the one with this code. Exits with 2 if there is none."""
        products = [dict(each) for each in self.get("/catalog")["products"]]
        found = [each for each in products if code in (None, each["code"])]
        if not found:
            known = ", ".join(each["code"] for each in products) or "none"
            fail(f"--product: there is no {code!r}; the mock has {known}", USAGE)
        return found

    def product(self, code: str | None) -> dict[str, Any]:
        """Return the product with this code, or the mock's only product if `code` is None.

        Exits with 2 if there is no such product, or if there are several.
        """
        found = self.products(code)
        if len(found) != 1:
            fail(f"--product: one of {', '.join(each['code'] for each in found)} is required", USAGE)
        return found[0]

    def product_of(self, customer: str, code: str | None) -> str:
        """Return `code`, or if it is None, the code of the only product that has this customer."""
        products = [str(each["code"]) for each in self.products(code)]
        if len(products) > 1:
            having = [each for each in products if self._has(each, customer)]
            if not having:
                fail(f"no product has a customer {customer!r}; the mock has {', '.join(products)}", BAD)
            products = having
        if len(products) > 1:
            fail(
                f"--product: one of {', '.join(products)} is required, each has a customer {customer!r}",
                USAGE,
            )
        return products[0]

    def call(self, name: str, product: str, parameters: Mapping[str, str | None]) -> None:
        """Make a call to Cheddar's API. Parameters that are None are left out."""
        given = {key: value for key, value in parameters.items() if value is not None}
        self.post("/calls", {"call": name, "product": product, "parameters": given})

    def customer(self, code: str, product: str) -> dict[str, Any]:
        """Return a customer in the form that `tallyhook customers --json` prints."""
        found = self.get("/customers", {"product": product})["customers"]
        return next(dict(each) for each in found if each["code"] == code)

    def say_if_unknown(self, customer: str | None) -> None:
        """If neither a product nor another system has this customer or subscription, say so on stderr."""
        if customer is None:
            return
        codes = [str(each["code"]) for each in self.get("/catalog")["products"]]
        others = [path(name, kind, customer) for name, kind in SYSTEMS.items() if name != CHEDDAR]
        if not any(self._has(code, customer) for code in codes) and not any(
            self._send("GET", f"{each}/timeline?limit=1")[0] == 200 for each in others
        ):
            click.echo(f"tallyhook: --customer: there is no {customer!r}", err=True)

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
        """Send a request, and return the status, content type and content of the answer."""
        connection = self._connection()
        try:
            connection.connect()
            # Only connecting has a timeout. The answer may take long, for example if the clock is moved.
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
        fail(f"the server at {self.url} is not a Tallyhook mock; name one with --mock URL", USAGE)


class _Answer(dict[str, Any]):
    """A JSON object in an answer. Reading a missing key ends the command: a mock would have sent the key."""

    def __init__(self, remote: Remote, content: dict[str, Any]) -> None:
        super().__init__(content)
        self._remote = remote

    def __missing__(self, name: str) -> Any:
        self._remote.fail_as_stranger()


def say_more(following: str | None) -> None:
    """If the list continues, say so on stderr.

    `following` is the value for --after that continues the list, or None if the list is complete.
    """
    if following is not None:
        click.echo(f"There is more: continue with --after {following}", err=True)


def path(*names: str) -> str:
    """Return a URL path made of these names, which are escaped."""
    return "".join(f"/{quote(name, safe='')}" for name in names)


def _fits(each: Mapping[str, Any], name: str) -> bool:
    return bool(name) and (each["id"].startswith(name.lower()) or each.get("url") == name)


def trust() -> "ssl.SSLContext":
    """Return TLS settings that trust the system's authorities and the authority of `tallyhook mock --tls`."""
    import ssl

    from tallyhook_mock.tls import default_directory

    context = ssl.create_default_context()
    authority = default_directory() / "ca.pem"
    if authority.exists():
        context.load_verify_locations(authority)
    return context
