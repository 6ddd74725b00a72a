"""`tallyhook doctor`: real servers in every state of health, and what it says of them."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from tests.postgres import Postgres
from tests.receiver.letters import letter
from tests.receiver.test_asgi import serving

from tallyhook.signing import SIGNATURE_HEADER
from tallyhook_mock import Server, serve
from tallyhook_receiver import Cheddar, Receiver, SQLiteInbox, State, open_inbox
from tallyhook_receiver.attempt import INTERRUPTED

from .command import Command, run

KEY, OTHER, USER, PASSWORD = "wick and oil", "tallow", "ops@example.com", "paraffin"
CATALOG = {
    "users": [{"email": USER, "password": PASSWORD}],
    "products": [
        {"code": "ACME", "secret": KEY, "plans": [{"code": "PRO", "recurringChargeAmount": "9.00"}]}
    ],
}


@pytest.fixture(scope="module")
def mock() -> Iterator[Server]:
    with serve(CATALOG) as server:
        yield server


class Patient:
    """A receiver's surroundings, all well until a test changes them."""

    def __init__(self, mock: Server, folder: Path) -> None:
        self.inbox = folder / "inbox.sqlite"
        self.file = folder / "tallyhook.env"
        self.variables = {
            "PRODUCT_CODE": "ACME",
            "KEYS": KEY,
            "USER": USER,
            "PASSWORD": PASSWORD,
            "BASE_URL": mock.xml,
            "INBOX": str(self.inbox),
        }

    def examined(self, *arguments: str, **variables: str) -> dict[str, list[tuple[str, str, str]]]:
        """Verdict, finding and remedy, by what was looked at."""
        named = {f"TALLYHOOK_{name}": value for name, value in (self.variables | variables).items()}
        self.file.write_text(
            "# the test's\n\n" + "".join(f"{name}={value}\n" for name, value in named.items())
        )
        done = Command("")._done(("doctor", "--env-file", str(self.file), "--json", *arguments))
        findings = json.loads(done.stdout)
        assert done.returncode == any(each["verdict"] == "bad" for each in findings)
        by_check: dict[str, list[tuple[str, str, str]]] = {}
        for each in findings:
            by_check.setdefault(each["check"], []).append((each["verdict"], each["says"], each["fix"]))
        assert KEY not in done.stdout
        assert PASSWORD not in done.stdout
        return by_check

    @contextmanager
    def listening(
        self, around: Callable[[Any], Any] = lambda app: app, *keys: str, **options: Any
    ) -> Iterator[str]:
        """The listener's URL."""
        receiver = Receiver(
            Cheddar("ACME", list(keys or (KEY,))),
            **{"inbox": self.inbox, "max_age": timedelta(days=1)} | options,
        )
        with serving(around(receiver.asgi)) as port:
            yield f"http://127.0.0.1:{port}/hooks"


@pytest.fixture
def patient(mock: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    monkeypatch.delenv("TALLYHOOK_MOCK", raising=False)
    return Patient(mock, tmp_path)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LEASE", "3"),
        ("KEEP_DAYS", "1"),
        ("UNKNOWN_FOR", "99999"),
        ("TRUSTED_PROXIES", "10.0.0.0/8"),
        ("SENDERS", "everybody"),
        ("BASE_URL", "http://ops@127.0.0.1/xml"),
        ("BASE_URL", "foo"),
    ],
)
def test_a_setting_that_the_receiver_would_refuse(patient: Patient, variable: str, value: str) -> None:
    ((verdict, says, fix),) = patient.examined(**{variable: value})["settings"]
    assert verdict == "bad"
    assert says.startswith(f"TALLYHOOK_{variable}")
    assert fix


def test_all_is_well(patient: Patient) -> None:
    patient.inbox.touch(0o600)
    with patient.listening() as url:
        findings = patient.examined("--url", url)
        assert {verdict for found in findings.values() for verdict, _, _ in found} == {"good"}, findings
        assert findings["API"] == [("good", "product ACME has 1 plan", "")]
        assert (
            findings["signature"][0][1] == "a signed tallyhook.doctor hook arrives unchanged, and is ignored"
        )
        assert findings["inbox"][-1][1] == "the listener uses the same inbox"
        # The probe was taken out again.
        assert findings == patient.examined("--url", url)
    assert findings["inbox"][0][1] == "can be read and written, and contains 0 hooks"


def test_as_people_see_it(patient: Patient) -> None:
    patient.examined(KEYS="")
    done = run("doctor", "--env-file", str(patient.file))
    assert (done.returncode, done.stderr) == (1, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["✗", "settings", "TALLYHOOK_KEYS", "is", "not", "set"] in lines
    assert ["✓", "API", "product", "ACME", "has", "1", "plan"] in lines
    assert "→ set it to the product's secret key" in done.stdout


def test_settings(patient: Patient) -> None:
    found = patient.examined(PRODUCT_CODE="", KEEP_DAYS="long", SENDER="192.0.2.0/24", PASSWORD="")
    assert [each[:2] for each in found["settings"]] == [
        ("bad", "TALLYHOOK_KEEP_DAYS is not a number of days, or none"),
        ("bad", "TALLYHOOK_PRODUCT_CODE is not set"),
        ("bad", "TALLYHOOK_USER is set but TALLYHOOK_PASSWORD is not"),
        ("doubtful", "TALLYHOOK_SENDER is not a known setting"),
    ]
    assert found["settings"][-1][2] == "did you mean TALLYHOOK_SENDERS?"
    assert found["API"] == [("skipped", "needs the product, user and password", "")]
    assert "keys" not in found
    (doubt,) = patient.examined(USER="", PASSWORD="")["settings"]
    assert doubt[:2] == ("doubtful", "there is no access to the API, so the receiver can't review invoices")
    assert (
        Command("")
        .complains(2, "doctor", "--env-file", "/nowhere")
        .startswith("--env-file: /nowhere can't be")
    )


@pytest.mark.parametrize(
    ("variables", "verdict", "says"),
    [
        ({"KEYS": f'"{KEY}"'}, "doubtful", "key 1 begins with a quotation mark"),
        ({"KEYS": f"{KEY},{KEY}"}, "doubtful", "the same key is listed twice"),
        (
            {"KEYS": f"{KEY},{OTHER}"},
            "good",
            "2 keys for the scheme cheddar; each verifies its own signature",
        ),
        (
            {"KEYS": "whpk_MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "SCHEME": "standard-v1a"},
            "good",
            "one key for the scheme standard-v1a, which can verify but not sign",
        ),
    ],
)
def test_keys(patient: Patient, variables: dict[str, str], verdict: str, says: str) -> None:
    assert patient.examined(**variables)["keys"][0][:2] == (verdict, says)


def test_a_key_of_another_scheme(patient: Patient) -> None:
    (found, *_) = patient.examined(SCHEME="standard-v1")["settings"]
    assert (found[0], found[1]) == ("bad", "TALLYHOOK_KEYS")
    assert "scheme standard-v1" in found[2]


def test_the_api(patient: Patient, mock: Server) -> None:
    refused = patient.examined(PASSWORD="wrong")["API"][0]
    assert refused[:2] == ("bad", "the user or password is refused for product ACME")
    assert patient.examined(PRODUCT_CODE="NONE")["API"][0][0] == "bad"
    away = patient.examined(BASE_URL="http://127.0.0.1:9/xml")
    assert away["API"][0][0] == "bad"
    assert away["clock"] == [("skipped", "the API doesn't answer", "")]
    elsewhere = patient.examined(BASE_URL=f"{mock.url}/_mock")["API"][0]
    assert elsewhere[0] == "bad"


@pytest.mark.parametrize(
    ("skew", "verdict", "says"),
    [
        (timedelta(seconds=-50), "doubtful", r"this machine is (49|50|51) s ahead of the API"),
        (timedelta(hours=1), "bad", r"this machine is (3599|3600|3601) s behind the API"),
        (None, "skipped", "the API's answer has no Date header"),
    ],
)
def test_the_clock(patient: Patient, skew: timedelta | None, verdict: str, says: str) -> None:
    with another_clock(skew) as url:
        ((found, said, _),) = patient.examined(BASE_URL=url)["clock"]
    assert found == verdict
    assert re.fullmatch(says, said)


@contextmanager
def another_clock(skew: timedelta | None) -> Iterator[str]:
    """A server that tells another time, or none."""

    class Clock(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(200)
            if skew is not None:
                self.send_header("Date", format_datetime(datetime.now(UTC) + skew, usegmt=True))
            self.end_headers()

        do_GET = do_HEAD  # noqa: N815 - the names that the server looks for

        def log_message(self, *said: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Clock) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_the_inbox(patient: Patient, tmp_path: Path) -> None:
    assert patient.examined()["inbox"] == [
        (
            "doubtful",
            f"{patient.inbox} doesn't exist yet; the receiver creates it",
            "nothing to do before its first start",
        )
    ]
    assert patient.examined(INBOX=":memory:")["inbox"][0][:2] == (
        "bad",
        "an inbox in memory is lost at every restart",
    )
    assert patient.examined(INBOX="mysql://x")["inbox"][0][0] == "bad"
    assert patient.examined(INBOX=str(tmp_path / "none" / "inbox"))["inbox"][0][0] == "bad"
    assert patient.examined(INBOX="")["inbox"][0][0] == "doubtful"
    patient.inbox.write_text("no database")
    assert patient.examined()["inbox"][-1][0] == "bad"


@pytest.mark.parametrize("name", ["inbox.sqlite", "my inbox.sqlite", "50%.sqlite", "für ida.sqlite"])
def test_the_url_of_a_file_means_what_it_means_to_the_receiver(
    patient: Patient, tmp_path: Path, name: str
) -> None:
    url = f"sqlite:///{quote(str(tmp_path / name))}"
    ((verdict, says, _),) = patient.examined(INBOX=url)["inbox"]
    assert (verdict, says) == ("doubtful", f"{tmp_path / name} doesn't exist yet; the receiver creates it")
    asyncio.run(opened_and_closed(url))
    (tmp_path / name).chmod(0o644)
    found = patient.examined(INBOX=url)["inbox"]
    assert [each[2] for each in found if each[0] == "doubtful"] == [f"chmod 600 {tmp_path / name}"]
    assert found[-1][:2] == ("good", "can be read and written, and contains 0 hooks")
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    assert patient.examined(INBOX=url)["inbox"][0][:2] == ("bad", f"{tmp_path / name} is a folder")


async def opened_and_closed(url: str) -> None:
    inbox = open_inbox(url)
    await inbox.open()
    await inbox.close()


def test_what_stands_in_the_inbox(patient: Patient) -> None:
    with patient.listening() as url:
        body = b'{"no": "hook"}'
        from tests.cheddar import signed

        assert httpx.post(url, content=body, headers=signed(body, KEY)).status_code == 400
    patient.inbox.chmod(0o644)
    found = patient.examined()["inbox"]
    assert found[0][0] == "doubtful"
    assert found[0][2] == f"chmod 600 {patient.inbox}"
    assert found[-1] == ("doubtful", "a hook is undecodable", "tallyhook inbox list --state undecodable")


def test_a_folder_is_no_inbox(patient: Patient, tmp_path: Path) -> None:
    assert patient.examined(INBOX=str(tmp_path))["inbox"] == [
        (
            "bad",
            f"{tmp_path} is a folder",
            f"set it to a file: TALLYHOOK_INBOX={tmp_path / 'tallyhook.sqlite'}",
        )
    ]


async def test_a_hook_that_was_interrupted_is_no_failure(patient: Patient) -> None:
    async def keep(hook: str, note: str) -> None:
        await inbox.claim(letter(hook), "me", 60)
        await inbox.finish(hook, "me", State.FAILED, note)

    inbox = SQLiteInbox(patient.inbox)
    await inbox.open()
    await keep("cut", INTERRUPTED)
    assert (await asyncio.to_thread(patient.examined))["inbox"][1:] == [
        ("good", "a hook was interrupted when the receiver stopped; the next delivery continues", "")
    ]
    await keep("broken", "Traceback")
    assert (await asyncio.to_thread(patient.examined))["inbox"][2:] == [
        ("doubtful", "a hook is failed", "tallyhook inbox list --state failed")
    ]
    await inbox.close()


def test_a_database(patient: Patient) -> None:
    with Postgres() as server:  # which is started with fsync off
        url = server.url()
        found = patient.examined(INBOX=url)["inbox"]
        assert [each[0] for each in found] == ["bad", "bad"]
        assert "runs with fsync off" in found[0][1]
        assert "holds no inbox" in found[1][1]
    (away,) = patient.examined(INBOX=url)["inbox"]
    assert (away[0], away[1].startswith("PostgreSQL: ")) == ("bad", True)


def proxy(change: Callable[[bytes], bytes], drop: str = "") -> Callable[[Any], Any]:
    """In front of the application: one that changes bodies, or drops a header."""

    def around(app: Any) -> Starlette:
        async def pass_on(request: Request) -> Response:
            body = await request.body()
            headers = {
                name: value
                for name, value in request.headers.items()
                if name not in ("content-length", "host", drop.lower())
            }
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
                answer = await http.request(
                    request.method, str(request.url), content=change(body) if body else body, headers=headers
                )
            return Response(answer.content, answer.status_code, dict(answer.headers))

        return Starlette(routes=[Route("/{path:path}", pass_on, methods=["GET", "POST"])])

    return around


def rewrite(body: bytes) -> bytes:
    return json.dumps(json.loads(body)).encode()


def test_a_proxy_that_rewrites_bodies(patient: Patient) -> None:
    with patient.listening(proxy(rewrite)) as url:
        found = patient.examined("--url", url)
    assert [each[:2] for each in found["signature"]] == [
        ("bad", "something parses and rewrites the JSON of the body on its way")
    ]
    with patient.listening(proxy(lambda body: body + b"\n")) as url:
        found = patient.examined("--url", url)
    assert found["signature"][0][1] == "it refuses hooks signed with these keys"
    with patient.listening(proxy(bytes, SIGNATURE_HEADER)) as url:
        found = patient.examined("--url", url)
    assert found["signature"][0][0] == "bad"


def test_keys_that_the_listener_does_not_know(patient: Patient) -> None:
    with patient.listening() as url:
        found = patient.examined("--url", url, KEYS=f"{OTHER},{KEY}")
        assert [each[:2] for each in found["signature"]] == [
            ("doubtful", "it doesn't know key 1"),
            ("good", "a signed tallyhook.doctor hook arrives unchanged, and is ignored"),
        ]
        assert patient.examined("--url", url, KEYS=OTHER)["signature"][0][0] == "bad"
        assert patient.examined("--url", url, KEYS="")["signature"][0][0] == "skipped"


def test_a_listener_with_another_inbox(patient: Patient, tmp_path: Path) -> None:
    with patient.listening(inbox=tmp_path / "theirs.sqlite") as url:
        found = patient.examined("--url", url)
    assert found["inbox"][-1][0] == "doubtful"
    assert "another inbox" in found["inbox"][-1][1]


def test_a_listener_whose_inbox_is_gone(patient: Patient, tmp_path: Path) -> None:
    with patient.listening() as url:
        patient.examined("--url", url)
        patient.inbox.rename(tmp_path / "away.sqlite")
        time.sleep(1.1)  # for so long it is not looked at again
        found = patient.examined("--url", url)
    assert found["health"][0][1].endswith("/healthz: 503 no inbox")
    assert found["signature"][0][1] == "it answers a signed tallyhook.doctor hook with 503 no inbox"


def answering(*routes: Route) -> Callable[[Any], Any]:
    return lambda app: Starlette(routes=list(routes))


@pytest.mark.parametrize(
    ("answer", "verdict", "says"),
    [
        (
            RedirectResponse("https://example.com/hooks/"),
            "bad",
            "307: it redirects to https://example.com/hooks/",
        ),
        (PlainTextResponse("hello"), "bad", "200: it accepts a request without a signature"),
        (
            PlainTextResponse("no", 404),
            "bad",
            "404 for a request without a signature: the answer is not a receiver's",
        ),
        (
            PlainTextResponse("no", 401),
            "bad",
            "401 for a request without a signature: the answer is not a receiver's",
        ),
        (
            PlainTextResponse("no", 502),
            "bad",
            "502 for a request without a signature: the answer is not a receiver's",
        ),
        (
            JSONResponse({"hook": "not from a known sender"}, 403),
            "skipped",
            "it accepts hooks only from its senders",
        ),
    ],
    ids=["redirect", "accepts", "elsewhere", "refuses", "proxy", "senders"],
)
def test_other_listeners(patient: Patient, answer: Response, verdict: str, says: str) -> None:
    async def always(request: Request) -> Response:
        return answer

    with patient.listening(answering(Route("/hooks", always, methods=["POST"]))) as url:
        ((found, said, _),) = patient.examined("--url", url)["listener"]
    assert (found, said[: len(says)]) == (verdict, says)


def test_a_mount_that_redirects(patient: Patient) -> None:
    """Where a relative address leads is told in full."""
    redirect = RedirectResponse("hooks/")

    async def always(request: Request) -> Response:
        return redirect

    with patient.listening(answering(Route("/hooks", always, methods=["POST"]))) as url:
        ((verdict, said, fix),) = patient.examined("--url", url)["listener"]
    assert (verdict, said) == ("bad", f"307: it redirects to {url}/; a redirect acknowledges nothing")
    assert fix == f"let the application answer at this address, or register {url}/"


def test_a_listener_whose_health_nobody_may_ask(patient: Patient) -> None:
    with patient.listening(health_path=None) as url:
        assert patient.examined("--url", url)["health"][0][0] == "doubtful"
        assert "health" not in patient.examined("--url", url, HEALTH_PATH="none")


def test_no_listener(patient: Patient) -> None:
    assert patient.examined("--url", "http://127.0.0.1:9/hooks")["listener"][0][0] == "bad"
    assert patient.examined("--url", "hooks")["listener"][0][0] == "bad"


def test_a_certificate_that_nobody_vouches_for(patient: Patient) -> None:
    with serve(CATALOG, tls=True) as server:
        ((verdict, said, fix),) = patient.examined("--url", f"{server.url}/hooks")["listener"]
    assert (verdict, "CERTIFICATE_VERIFY_FAILED" in said) == ("bad", True)
    assert "SSL_CERT_FILE" in fix


@pytest.mark.parametrize(
    ("variables", "says", "fix"),
    [
        ({"ALL_PROXY": "socks://127.0.0.1:1080"}, "socks", "correct ALL_PROXY: a proxy is http://host:port"),
        ({"all_proxy": "socks://127.0.0.1:1080"}, "socks", "correct all_proxy"),
        ({"HTTPS_PROXY": "carrier-pigeon://roof"}, "carrier-pigeon", "correct HTTPS_PROXY"),
        ({"SSL_CERT_FILE": "/nowhere/ca.pem"}, "names /nowhere/ca.pem, which doesn't exist", "SSL_CERT_FILE"),
        ({"SSL_CERT_DIR": "/nowhere"}, "names /nowhere, which doesn't exist", "unset SSL_CERT_DIR"),
        ({"SSL_CERT_FILE": __file__}, f"SSL_CERT_FILE names {__file__}: ", "PEM file with certificates"),
        (
            {"SSL_CERT_FILE": __file__, "HTTP_PROXY": "http://127.0.0.1:1"},
            "SSL_CERT_FILE names",
            "PEM file with certificates",
        ),
    ],
    ids=[
        "socks",
        "small letters",
        "no proxy at all",
        "no file",
        "no folder",
        "no certificates",
        "not the proxy",
    ],
)
def test_an_environment_in_which_no_call_can_be_made(
    patient: Patient, variables: dict[str, str], says: str, fix: str
) -> None:
    """It is a finding like any other, and what needs no network is examined all the same."""
    patient.examined()
    done = run(
        "doctor",
        "--env-file",
        str(patient.file),
        "--json",
        "--url",
        "https://billing.example.com/hooks",
        **variables,
    )
    assert (done.returncode, done.stderr) == (1, "")
    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert found["network"]["verdict"] == "bad"
    assert says in found["network"]["says"]
    assert fix in found["network"]["fix"]
    assert found.keys().isdisjoint({"API", "clock", "listener"})
    assert {"settings", "keys", "inbox"} <= found.keys()


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["ascii", "latin-1", "the locale C"],
)
def test_an_output_that_has_no_check_marks(patient: Patient, variables: dict[str, str]) -> None:
    patient.examined(KEYS="")
    done = run("doctor", "--env-file", str(patient.file), **variables)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.isascii()
    lines = [line.replace("|", " ").split() for line in done.stdout.splitlines()]
    assert ["ok", "API", "product", "ACME", "has", "1", "plan"] in lines
    assert any(line[:2] == ["bad", "settings"] for line in lines), lines
    assert "-> set it to the product's secret key" in done.stdout
