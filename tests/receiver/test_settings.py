"""Settings from the environment: each argument has a variable, and problems name the variable."""

import inspect
import logging
import runpy
from datetime import timedelta
from pathlib import Path

import pytest

from tallyhook import signing
from tallyhook_receiver import Cheddar, MemoryInbox, Receiver, SettingsError
from tallyhook_receiver.options import DEFAULTS, Options
from tallyhook_receiver.settings import SETTINGS, read

DOCS = Path(__file__).parents[2] / "docs"
LEAST = {"TALLYHOOK_PRODUCT_CODE": "ACME", "TALLYHOOK_KEYS": "wick"}


def variables(**named: str) -> dict[str, str]:
    return LEAST | {f"TALLYHOOK_{name}": value for name, value in named.items()}


def product_of(receiver: Receiver) -> Cheddar:
    (source,) = receiver.sources.values()
    assert isinstance(source, Cheddar)
    return source


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as error:
        Receiver.from_environment(environ=environ)
    return error.value.problems


def test_the_page_has_the_table_of_settings() -> None:
    made = runpy.run_path(str(DOCS / "settings.py"))["document"]()
    assert (DOCS / "operations.md").read_text("utf-8") == made, "run python docs/settings.py"
    for name in Options.__annotations__:
        assert f"| `{name}` | " in made


def test_only_what_no_text_can_give_has_no_variable() -> None:
    arguments = {setting.argument for setting in SETTINGS if setting.argument.isidentifier()}
    assert set(Options.__annotations__) - arguments == {"clock", "observers"}


def test_a_misspelt_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'answer_witin'"):
        Receiver(Cheddar("ACME", "wick"), inbox=":memory:", answer_witin=5)  # type: ignore[call-arg]  # it is


def test_the_environment_is_read_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as a default in the signature, which documentation and crash reports print."""
    for name, value in variables(KEYS="wick-and-oil").items():
        monkeypatch.setenv(name, value)
    assert product_of(Receiver.from_environment(inbox=":memory:")).keys == ("wick-and-oil",)
    parameter = inspect.signature(Receiver.from_environment).parameters["environ"]
    assert parameter.default is None


def test_the_least_that_is_needed() -> None:
    receiver = Receiver.from_environment(environ=LEAST)
    product = product_of(receiver)
    assert (product.code, product.keys, product.client, product.scheme) == (
        "ACME",
        ("wick",),
        None,
        signing.CHEDDAR,
    )
    assert receiver.options == Receiver(Cheddar("ACME", "wick")).options


def test_all_of_them(tmp_path: Path) -> None:
    receiver = Receiver.from_environment(
        environ=variables(
            KEYS="new, old",
            USER="ops@example.com",
            PASSWORD="paraffin",
            BASE_URL="http://127.0.0.1:8421/xml",
            INBOX=":memory:",
            ANSWER_WITHIN="8.5",
            MAX_BODY="4096",
            BODY_WITHIN="2",
            CLOSE_WITHIN="3",
            LEASE="90",
            HANDLE_WITHIN="none",
            UNKNOWN_FOR="600",
            GONE_AFTER="30",
            MARKS="no",
            MAX_AGE="30",
            KEEP_DAYS="none",
            SENDERS="192.0.2.0/24, 198.51.100.7",
            TRUSTED_PROXIES="10.0.0.0/8",
            HEALTH_PATH="/ready",
        )
    )
    product = product_of(receiver)
    assert product.keys == ("new", "old")
    assert product.client is not None
    assert isinstance(receiver.inbox, MemoryInbox)
    assert receiver.options == DEFAULTS | {
        "inbox": ":memory:",
        "answer_within": 8.5,
        "handle_within": None,
        "max_body": 4096,
        "body_within": 2,
        "close_within": 3,
        "lease": 90,
        "unknown_for": 600,
        "gone_after": 30,
        "marks": False,
        "max_age": timedelta(days=30),
        "keep_days": None,
        "senders": ["192.0.2.0/24", "198.51.100.7"],
        "trusted_proxies": ["10.0.0.0/8"],
        "health_path": "/ready",
    }


def test_what_is_named_counts_more_than_the_environment() -> None:
    product = Cheddar("OTHER", "tallow")
    receiver = Receiver.from_environment(
        product, answer_within=3, environ=variables(ANSWER_WITHIN="8", LEASE="90")
    )
    assert product_of(receiver) is product
    assert (receiver.options["answer_within"], receiver.options["lease"]) == (3, 90)
    # With a source in code, the environment needs no product.
    assert product_of(Receiver.from_environment(product, environ={})) is product


def test_nothing_is_read_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYHOOK_ANSWER_WITHIN", "1")
    assert Receiver(Cheddar("ACME", "wick")).options["answer_within"] == 25
    monkeypatch.setenv("TALLYHOOK_PRODUCT_CODE", "ACME")
    monkeypatch.setenv("TALLYHOOK_KEYS", "wick")
    assert Receiver.from_environment().options["answer_within"] == 1


def test_another_prefix() -> None:
    environ = {"HOOKS_PRODUCT_CODE": "ACME", "HOOKS_KEYS": "wick", "TALLYHOOK_LEASE": "5"}
    assert Receiver.from_environment(environ=environ, prefix="HOOKS_").options["lease"] is None


def test_secrets_from_files(tmp_path: Path) -> None:
    keys, password = tmp_path / "keys", tmp_path / "password"
    keys.write_text("new\nold\n")
    password.write_text("paraffin\n")
    environ = {
        "TALLYHOOK_PRODUCT_CODE": "ACME",
        "TALLYHOOK_KEYS_FILE": str(keys),
        "TALLYHOOK_USER": "ops@example.com",
        "TALLYHOOK_PASSWORD_FILE": str(password),
    }
    assert read(environ).values["PASSWORD"] == "paraffin"
    assert read(environ).product().keys == ("new", "old")
    both = environ | {"TALLYHOOK_KEYS": "wick"}
    assert problems(both)[0] == "TALLYHOOK_KEYS and TALLYHOOK_KEYS_FILE are both set: unset one"
    gone = environ | {"TALLYHOOK_KEYS_FILE": str(tmp_path / "none")}
    assert problems(gone) == (
        f"TALLYHOOK_KEYS_FILE: {tmp_path / 'none'} can't be read: No such file or directory",
    )
    keys.write_text("\ufeffnew\r\nold\r\n")
    assert read(environ).product().keys == ("new", "old")
    keys.write_bytes(b"\xff\xfe")
    assert "it is not text" in problems(environ)[0]


def test_everything_that_is_missing_is_said_at_once() -> None:
    assert problems({"TALLYHOOK_KEYS": " "}) == (
        "TALLYHOOK_PRODUCT_CODE is not set: the code of the product that sends the hooks",
        "TALLYHOOK_KEYS is not set: the product's secret key, or the old and the new one while you change it",
    )
    assert problems(variables(USER="ops@example.com")) == (
        "TALLYHOOK_USER is set but TALLYHOOK_PASSWORD is not: the API needs both",
    )
    assert problems(variables(PASSWORD="paraffin")) == (
        "TALLYHOOK_PASSWORD is set but TALLYHOOK_USER is not: the API needs both",
    )


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ANSWER_WITHIN", "soon", "seconds"),
        ("ANSWER_WITHIN", "nan", "seconds"),
        ("LEASE", "-1", "seconds"),
        ("UNKNOWN_FOR", "1e10", "seconds"),
        ("MAX_AGE", "1e10", "a number of days, or none"),
        ("KEEP_DAYS", "1e10", "a number of days, or none"),
        ("MAX_BODY", "1.5", "a number of bytes"),
        ("MAX_BODY", "0", "a number of bytes"),
        ("KEEP_DAYS", "for ever", "a number of days, or none"),
        ("MARKS", "maybe", "yes or no"),
        ("SCHEME", "rot13", "one of cheddar, standard-v1, standard-v1a"),
    ],
)
def test_what_makes_no_sense_is_named_and_not_quoted(variable: str, value: str, said: str) -> None:
    assert problems(variables(**{variable: value})) == (f"TALLYHOOK_{variable} is not {said}",)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("KEEP_DAYS", "1", "keep_days must be at least 2"),
        ("LEASE", "3", "lease must be at least a client's timeout"),
        ("UNKNOWN_FOR", "1", "unknown_for is 0:00:01, but must be longer"),
        ("UNKNOWN_FOR", "99999", "at most 0:30:00"),
        ("TRUSTED_PROXIES", "10.0.0.0/8", "trusted_proxies has no effect without senders"),
        ("INBOX", "mysql://ops:secret@x", "an inbox must be a path"),
        ("BASE_URL", "foo", "base_url must be a complete URL, such as https://host/path"),
        ("BASE_URL", "http://ops:secret@x", "base_url must have no user"),
        ("BASE_URL", "http://x:1x", "base_url is not a URL"),
    ],
)
def test_what_the_receiver_or_its_client_refuses_is_named(variable: str, value: str, said: str) -> None:
    (problem,) = problems(variables(**{"USER": "ops", "PASSWORD": "paraffin", variable: value}))
    assert problem.startswith(f"TALLYHOOK_{variable}: ")
    assert said in problem
    assert "secret" not in problem


@pytest.mark.parametrize("text", ["everybody", "10.0.0.1/8", ",", "10.0.0.0/8 192.0.2.0/24"])
@pytest.mark.parametrize("variable", ["SENDERS", "TRUSTED_PROXIES"])
def test_networks_are_checked(variable: str, text: str) -> None:
    (problem,) = problems(variables(**{variable: text}))
    assert problem.startswith(f"TALLYHOOK_{variable} is not networks separated by commas")


def test_an_argument_that_code_passes_is_not_blamed_on_a_variable() -> None:
    with pytest.raises(ValueError, match=r"^keep_days must be at least 2") as raised:
        Receiver.from_environment(environ=variables(KEEP_DAYS="30"), keep_days=1, inbox=":memory:")
    assert not isinstance(raised.value, SettingsError)


def test_bytes_that_are_not_text_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables(PASSWORD="\udcff", USER="ops").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        Receiver.from_environment()
    assert error.value.problems[0] == "TALLYHOOK_PASSWORD is not text in UTF-8"


def test_a_key_of_another_scheme() -> None:
    (problem,) = problems(variables(SCHEME="standard-v1"))
    assert problem.startswith("TALLYHOOK_KEYS: product ACME needs a key of scheme standard-v1")
    assert "wick" not in problem


def test_a_variable_that_means_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "tallyhook.receiver")
    Receiver.from_environment(environ=variables(SENDER="x", FLAVOUR="y", MOCK="http://127.0.0.1:8421"))
    assert [record.getMessage() for record in caplog.records] == [
        "TALLYHOOK_FLAVOUR is not a setting",
        "TALLYHOOK_SENDER is not a setting: did you mean TALLYHOOK_SENDERS?",
    ]
