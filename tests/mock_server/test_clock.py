"""The clock, moments, durations."""

from datetime import UTC, datetime, timedelta

import pytest

from tallyhook_mock.clock import Clock, Mode, parse_moment
from tallyhook_mock.duration import parse_duration

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_frozen_clock_stands_until_it_is_moved() -> None:
    clock = Clock(START)
    assert clock.now() == START
    assert clock.now() == START
    clock.move(START + timedelta(days=3))
    assert clock.now() == START + timedelta(days=3)
    assert clock.mode is Mode.FROZEN


def test_time_is_never_turned_back() -> None:
    clock = Clock(START)
    with pytest.raises(ValueError, match="in the past"):
        clock.move(START - timedelta(seconds=1))
    assert clock.now() == START


def test_a_running_clock_runs_from_where_it_was() -> None:
    clock = Clock(START)
    clock.run()
    first, second = clock.now(), clock.now()
    assert START <= first <= second < START + timedelta(minutes=1)
    clock.move(START + timedelta(days=1))
    assert timedelta(days=1) <= clock.now() - START < timedelta(days=1, minutes=1)
    clock.freeze()
    assert clock.now() == clock.now()


def test_moments_are_kept_in_utc() -> None:
    assert Clock(datetime.fromisoformat("2026-01-31T14:00:00+02:00")).now() == START
    assert Clock(datetime.fromisoformat("2026-01-31T14:00:00+02:00")).now().tzinfo is UTC
    assert parse_moment("2026-01-31T14:00:00+02:00") == parse_moment("2026-01-31T12:00:00") == START
    with pytest.raises(ValueError, match="offset"):
        Clock(START.replace(tzinfo=None))


@pytest.mark.parametrize("written", ["", "tomorrow", "2026-02-30", "0001-01-01T00:00:00+23:00"])
def test_what_is_no_moment_is_named(written: str) -> None:
    with pytest.raises(ValueError, match="is not an ISO 8601 moment"):
        parse_moment(written)


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        ("1mo", "2026-02-28T12:00:00+00:00"),
        ("2mo", "2026-03-31T12:00:00+00:00"),
        ("P1M", "2026-02-28T12:00:00+00:00"),
        ("P1Y1M", "2027-02-28T12:00:00+00:00"),
        ("1y", "2027-01-31T12:00:00+00:00"),
        ("36d", "2026-03-08T12:00:00+00:00"),
        ("2w", "2026-02-14T12:00:00+00:00"),
        ("1h", "2026-01-31T13:00:00+00:00"),
        ("1d12h", "2026-02-02T00:00:00+00:00"),
        ("90s", "2026-01-31T12:01:30+00:00"),
        ("5m", "2026-01-31T12:05:00+00:00"),
        ("5min", "2026-01-31T12:05:00+00:00"),
        ("PT1H30M", "2026-01-31T13:30:00+00:00"),
        ("0s", "2026-01-31T12:00:00+00:00"),
    ],
)
def test_durations_are_counted_on_the_calendar(written: str, ends: str) -> None:
    assert parse_duration(written).after(START).isoformat() == ends


@pytest.mark.parametrize("written", ["", "P", "PT", "1", "mo", "-1h", "1.5h", "1h1d", "٣d", "99999999999y"])
def test_what_is_no_duration_is_named(written: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(written)


@pytest.mark.parametrize("year", [999, 8000, 9999])
def test_the_clock_stays_among_years_that_all_dates_from_them_can_be_written(year: int) -> None:
    with pytest.raises(ValueError, match="years from 1000 to 7999"):
        Clock(START.replace(year=year))
    assert Clock(START.replace(year=1000)).now().year == 1000
    clock = Clock(START)
    with pytest.raises(ValueError, match="years from 1000 to 7999"):
        clock.move(START.replace(year=year))
    assert clock.now() == START
    clock.move(START.replace(year=7999))


@pytest.mark.parametrize("written", ["9000y", "999999mo", "999999999999s"])
def test_the_calendar_has_an_end(written: str) -> None:
    with pytest.raises(ValueError, match="9999"):
        parse_duration(written).after(START)
