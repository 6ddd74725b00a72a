"""The spellings in loosely typed documents, and how they are read."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyhook import _lenient
from tallyhook.cheddar.parameters import plain
from tallyhook.errors import DecodeError

NOTHING: list[Any] = ["", "  ", None, {}, []]
MOMENT = datetime(2025, 5, 1, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize("nothing", NOTHING)
def test_nothing(nothing: Any) -> None:
    assert _lenient.text(nothing).strip() == ""
    assert _lenient.boolean(nothing) is False
    assert _lenient.decimal(nothing) == 0
    assert _lenient.optional_decimal(nothing) is None
    assert _lenient.optional_integer(nothing) is None
    assert _lenient.optional_datetime(nothing) is None
    assert _lenient.optional_date(nothing) is None


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ("1.0000", "1.0000"),
        ("5.00", "5.00"),
        (250, "250"),
        (0, "0"),
        (Decimal("123.45"), "123.45"),
        (" 7 ", "7"),
        ("-5.00", "-5.00"),
        (12345678901234567890123456789, "12345678901234567890123456789"),
        ("0.1234567890123456789012345678", "0.1234567890123456789012345678"),
        ("1e3", "1000"),
    ],
)
def test_numbers(node: Any, value: str) -> None:
    number = _lenient.decimal(node)
    assert number == Decimal(value)
    assert f"{number:f}" == value


@pytest.mark.parametrize(
    "node",
    [
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "1e999999999",
        "1e-999999999",
        "1_000",
        "٣",
        "1,000.00",
        "five",
        "0x10",
        True,
        {"a": 1},
        [1],
        1.5,
        Decimal("NaN"),
        Decimal("1e400"),
        "1" * 65,
        10**65,
    ],
)
def test_not_numbers(node: Any) -> None:
    for reader in (_lenient.decimal, _lenient.optional_decimal, _lenient.optional_integer):
        with pytest.raises(DecodeError, match=r"^a number was expected$"):
            reader(node)


def test_whole_numbers() -> None:
    assert _lenient.optional_integer("3.0000") == 3
    assert _lenient.optional_integer(0) == 0
    with pytest.raises(DecodeError, match="whole"):
        _lenient.optional_integer("3.5")


@pytest.mark.parametrize("node", ["1", 1, True, "true", "TRUE"])
def test_true(node: Any) -> None:
    assert _lenient.boolean(node) is True


@pytest.mark.parametrize("node", ["0", 0, False, "false"])
def test_false(node: Any) -> None:
    assert _lenient.boolean(node) is False


@pytest.mark.parametrize("node", ["yes", 2, "2", [False], Decimal("1.5")])
def test_not_booleans(node: Any) -> None:
    with pytest.raises(DecodeError, match="boolean"):
        _lenient.boolean(node)


@pytest.mark.parametrize(
    ("node", "moment"),
    [
        ("2025-05-01T06:30:00+00:00", MOMENT),
        ("2025-05-01T06:30:00Z", MOMENT),
        ("2025-05-01T08:30:00+02:00", MOMENT),
        ("2025-05-01 06:30:00", MOMENT),
        ("2025-05-01", MOMENT.replace(hour=0, minute=0)),
        ("0000-00-00 00:00:00", None),
        ("0000-00-00", None),
    ],
)
def test_moments(node: str, moment: datetime | None) -> None:
    read = _lenient.optional_datetime(node)
    assert read == moment
    assert not _lenient.is_odd_date(node)
    assert read is None or read.tzinfo is UTC


@pytest.mark.parametrize(
    "node", ["soon", "2025-13-01", "01/2025", 1746081000, True, "0001-01-01T00:00:00+14:00"]
)
def test_not_moments(node: Any) -> None:
    assert _lenient.optional_datetime(node) is None
    assert _lenient.is_odd_date(node)


def test_a_day_is_not_moved_by_its_offset() -> None:
    assert _lenient.optional_date("2026-01-31T00:00:00+14:00") == date(2026, 1, 31)
    assert _lenient.optional_date("2029-02-28") == date(2029, 2, 28)
    assert _lenient.optional_date("0000-00-00") is None


@pytest.mark.parametrize(
    ("node", "text"), [(8000, "8000"), (Decimal("1.50"), "1.50"), (True, "1"), (False, "0"), ("a ", "a ")]
)
def test_text(node: Any, text: str) -> None:
    assert _lenient.text(node) == text


@pytest.mark.parametrize("node", [{"a": 1}, ["a"], Decimal("Infinity")])
def test_not_text(node: Any) -> None:
    with pytest.raises(DecodeError):
        _lenient.text(node)


@given(
    st.one_of(
        st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**30), max_value=10**30),
        st.booleans(),
        st.datetimes(timezones=st.just(UTC)),
        st.dates(),
        st.integers(-(10**30), 10**30),
        st.text(),
    )
)
def test_what_is_written_is_read_again(value: Any) -> None:
    readers = {
        Decimal: _lenient.decimal,
        bool: _lenient.boolean,
        datetime: _lenient.optional_datetime,
        date: _lenient.optional_date,
        int: _lenient.optional_integer,
        str: _lenient.text,
    }
    assert readers[type(value)](plain(value)) == value
