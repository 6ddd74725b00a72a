"""Check that the listener is reachable and healthy, refuses unsigned hooks, and gets bodies unchanged."""

import contextlib
import json
import ssl
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx

from tallyhook_receiver import Cheddar
from tallyhook_receiver.cli.doctor.account import is_open_http
from tallyhook_receiver.cli.doctor.finding import Finding, bad, doubtful, good, skipped
from tallyhook_receiver.sources.source import body_key, inbox_key

_TIMEOUT = 35.0  # seconds; a receiver answers within 25, and senders wait for 30 (inferred)
_SOON = 14  # days; a certificate that expires sooner is reported

_REWRITTEN = "let the proxy pass the body on unchanged: no JSON filter, no re-encoding, no added line break"


TYPE = "tallyhook.doctor"


class Probe:
    """A test hook of a type that no billing system sends and no handler gets. It is stored as ignored.

    The body `odd` has unusual spaces, escapes, numbers and field order, so a proxy that parses and rewrites
    JSON changes the bytes of this body. The two `plain` bodies have the most common layouts, so such a proxy
    leaves one of them unchanged.
    """

    def __init__(self, product: Cheddar) -> None:
        self._product = product
        self._id = uuid.uuid4().hex
        self._at = datetime.now(UTC)
        content = {
            "activityDatetime": self._at.isoformat(timespec="seconds"),
            "activityType": TYPE,
            "id": self._id,
            "product": {"code": product.code},
        }
        self.plain = tuple(
            json.dumps(content, separators=separators).encode() for separators in ((",", ":"), (", ", ": "))
        )
        code = json.dumps(product.code)
        self.odd = (
            f'{{ "product" :{{"code":{code}}},\n"odd":["caf\\u00e9 \\/", 1.0000],\n'
            f'"activityType":  "{TYPE}", "activityDatetime":"{content["activityDatetime"]}",'
            f' "id": "{self._id}" }}\n'
        ).encode()

    def headers(self, body: bytes, key: str | bytes) -> dict[str, str]:
        """Return the headers for a request with this body, signed with `key`.

        Raises ValueError if the key can only verify signatures.
        """
        signed = self._product.scheme.sign(body, key, id=self._id, at=datetime.now(UTC))
        return {"Content-Type": "application/json"} | signed

    @staticmethod
    def key(product: Cheddar, body: bytes) -> str:
        """Return the key under which the inbox stores a test hook with this body."""
        return inbox_key(product.name, body_key(body))


class Listener:
    """The listener to check, at its registered URL.

    `taken` contains the bodies of the test hooks that the listener accepted.
    """

    def __init__(self, url: str, health_path: str | None) -> None:
        self.url = url
        self.taken: list[bytes] = []
        self._health_path = health_path
        self._http = httpx.Client(timeout=_TIMEOUT, follow_redirects=False)

    def examine(self, product: Cheddar | None) -> Iterator[Finding]:
        """Run the checks, and yield their findings. Stops early if no receiver answers at the URL."""
        with self._http:
            try:
                yield from self._examine(product)
            except _Stop as stop:
                yield stop.finding

    def _examine(self, product: Cheddar | None) -> Iterator[Finding]:
        unsigned = self._reach()
        yield from self._line(unsigned)
        yield self._strictness(unsigned)
        yield from self._health()
        if product is None:
            yield skipped("signature", "needs the product and its keys")
        else:
            yield from self._signatures(product)

    def _reach(self) -> httpx.Response:
        try:
            return self._http.post(self.url, content=b"{}", headers={"Content-Type": "application/json"})
        except (httpx.InvalidURL, httpx.HTTPError) as error:
            said, fix = str(error), "pass a URL such as https://example.com/hooks"
            if isinstance(error, httpx.ConnectError) and "SSL" in said:
                fix = "serve a certificate for this name, with its chain; SSL_CERT_FILE adds an authority"
            elif isinstance(error, httpx.ConnectError):
                fix = "check that it runs and that this machine can reach it"
            elif isinstance(error, httpx.TransportError):
                said = said or type(error).__name__
                fix = "look at the logs of the proxy and the listener"
            raise _Stop(bad("listener", f"{self.url}: {said}", fix)) from None

    def _line(self, answer: httpx.Response) -> Iterator[Finding]:
        if is_open_http(self.url):
            yield doubtful("listener", f"{self.url} is not encrypted, and hooks name customers", "use https")
        stream = answer.extensions.get("network_stream")
        tls = None if stream is None else stream.get_extra_info("ssl_object")
        if tls is not None:
            ends = ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"])
            days = int((ends - time.time()) / 86_400)
            if days < _SOON:
                yield doubtful(
                    "listener", f"its certificate expires in {days} days", "renew it, best automatically"
                )

    def _strictness(self, answer: httpx.Response) -> Finding:
        """Check the answer to an unsigned request. Raises _Stop unless the answer is a receiver's 401."""
        status, word = answer.status_code, _word(answer)
        if answer.is_redirect:
            where = answer.next_request.url if answer.next_request else "elsewhere"
            says = f"{status}: it redirects to {where}; a redirect acknowledges nothing"
            raise _Stop(
                bad("listener", says, f"let the application answer at this address, or register {where}")
            )
        if status == 401 and word:
            return good("listener", "reachable; it refuses a request without a signature with 401")
        if status == 403 and word:
            raise _Stop(
                skipped(
                    "listener", "it accepts hooks only from its senders, and this machine isn't one of them"
                )
            )
        if answer.is_success:
            says = f"{status}: it accepts a request without a signature"
            raise _Stop(bad("listener", says, "check that this is the receiver's address"))
        said = repr(word) if word else "the answer is not a receiver's"
        fix = (
            "look at the logs of the proxy and the listener"
            if status >= 500
            else "correct the path or the proxy"
        )
        raise _Stop(bad("listener", f"{status} for a request without a signature: {said}", fix))

    def _health(self) -> Iterator[Finding]:
        if self._health_path is None:
            return
        url = httpx.URL(self.url)
        below = url.copy_with(path=url.path.rstrip("/") + self._health_path, query=None)
        for address in (below, url.copy_with(path=self._health_path, query=None)):
            with contextlib.suppress(httpx.TransportError):
                answer = self._http.get(address)
                if (word := _word(answer, "health")) and answer.is_success:
                    yield good("health", f"{address}: {word}")
                    return
                if word:
                    yield bad(
                        "health", f"{address}: {answer.status_code} {word}", "look at the listener's log"
                    )
                    return
        yield doubtful(
            "health", f"nothing answers at {below}", "route it to the receiver, for your health checks"
        )

    def _signatures(self, product: Cheddar) -> Iterator[Finding]:
        probe = Probe(product)
        try:
            known = [n for n, key in enumerate(product.keys, 1) if self._takes(probe, probe.odd, key)]
            is_rewritten = not known and any(
                self._takes(probe, body, key) for body in probe.plain for key in product.keys
            )
        except ValueError:
            why = f"keys of {product.scheme.name} can't sign: send a hook by hand to test it"
            raise _Stop(skipped("signature", why)) from None
        if is_rewritten:
            says = "something parses and rewrites the JSON of the body on its way"
            raise _Stop(bad("signature", says, _REWRITTEN))
        if not known:
            fix = "give it the same product code and keys, or look for a proxy that changes the request"
            raise _Stop(bad("signature", "it refuses hooks signed with these keys", fix))
        for number in range(1, len(product.keys) + 1):
            if number not in known:
                yield doubtful(
                    "signature", f"it doesn't know key {number}", "give it all keys, or remove this one here"
                )
        yield good("signature", f"a signed {TYPE} hook arrives unchanged, and is ignored")

    def _takes(self, probe: Probe, body: bytes, key: str | bytes) -> bool:
        try:
            answer = self._http.post(self.url, content=body, headers=probe.headers(body, key))
        except httpx.TransportError as error:
            said = str(error) or type(error).__name__
            raise _Stop(bad("signature", said, "look at the logs of the proxy and the listener")) from None
        word = _word(answer)
        if answer.status_code == 401:
            return False
        if (answer.status_code, word) == (200, "ignored"):
            self.taken.append(body)
            return True
        said = f"it answers a signed {TYPE} hook with {answer.status_code} {word or '(not from a receiver)'}"
        raise _Stop(bad("signature", said, "look at the listener's log"))


class _Stop(Exception):
    """Raised if the remaining checks would make no sense. `finding` says why, and is the last finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.says)
        self.finding = finding


def _word(answer: httpx.Response, what: str = "hook") -> str:
    """Return the word in a receiver's answer, such as `ignored`.

    Returns `""` if the answer is not a receiver's.
    """
    try:
        content = answer.json()
    except ValueError:
        return ""
    word = content.get(what) if isinstance(content, dict) else None
    return word if isinstance(word, str) else ""
