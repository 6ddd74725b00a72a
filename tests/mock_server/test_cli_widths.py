"""What reading commands print on terminals of several widths and in a pipe: amounts and dates are whole."""

import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from tallyhook_mock import serve

from .command import ENVIRONMENT, SCRIPT, Command
from .loopback import Api, catalog, listening

LONG = "maximiliane.von-und-zu-hohenstein-witt"
LAST_NAME = "'von und zu Hohenstein-Wittelsbach '"
PATH = "http://127.0.0.1:9/a/rather/long/path/to/the/listener/of/hooks"

# Each with what has to stand in it, whole.
READING = {
    "customers": {LONG, "1234567.89", "2026-03-01 00:00:00", "20.00"},
    f"invoice {LONG}": {"1234567.89", "2026-03-01 00:00:00", "-0.01", "1234567.88"},
    "invoice ida --outstanding": {"20.00", "2026-02-01 00:00:00"},
    f"timeline {LONG}": {"1234567.89", "2026-01-01 00:00:00"},
    f"forecast {LONG}": {"1234567.88 $", "1234567.89 $", "2026-03-01 00:00:00"},
    "hooks": {"2026-02-01 00:00:00", "subscriptionBillable", "ida"},
    "calls": {"2026-02-01 00:00:00", "customers/get", "404"},
    "listeners": {PATH},
    "faults": {"action=customers/add-charge", f"customer={LONG}"},
    "snapshot": {"before the rise of prices"},
    "rules": {"long_cancel_with_outstanding", "run-over", "staff 2017 to 2019"},
    "clock": {"2026-02-01"},
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    made = catalog()
    made["products"][0]["plans"].append({"code": "HUGE_ENTERPRISE", "recurringChargeAmount": "1234567.89"})
    made["products"].append({"code": "WICK", "secret": "s", "plans": [{"code": "W"}]})
    with serve(made) as server, listening(lambda _: 500) as listener:
        command = Command(server.url)
        for line in (
            "customers add ida --plan GLOW --product LANTERN --item OIL=2",
            f"customers add {LONG} --plan HUGE_ENTERPRISE --product LANTERN --last-name {LAST_NAME}",
            "customers add eve --plan W --product WICK",
            f"listeners add {listener.url} --events subscriptionBillable --product LANTERN",
            f"faults add dropAfter --action customers/add-charge --customer {LONG}",
            "clock advance 1mo",
            f"charge {LONG} ROUNDING -0.01",
            f"listeners add {PATH} --product WICK",
            'snapshot save "before the rise of prices"',
        ):
            command.says(*shlex.split(line))
        Api(server).call("customers/get", 404, code="nobody-is-called-by-such-a-name")
        yield server.url


def printed(url: str, width: int | None, command: str) -> list[str]:
    columns = {} if width is None else {"COLUMNS": str(width)}
    environment = {**ENVIRONMENT, "TALLYHOOK_MOCK": url, **columns}
    if width is None:
        del environment["COLUMNS"]
    done = subprocess.run(
        [SCRIPT, *command.split()], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.splitlines()


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_cut_or_wider_than_the_terminal(url: str, width: int, command: str) -> None:
    lines = printed(url, width, command)
    for wanted in READING[command]:
        assert any(wanted in line for line in lines), (wanted, lines)
    # Only a single word may be wider, such as the address of a listener.
    assert [line for line in lines if len(line) > width and len(line.split()) > 2] == []
    assert [line for line in lines if line.endswith(" ")] == []
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("command", READING)
def test_a_pipe_gets_a_row_a_line_with_tabs_and_no_padding(url: str, command: str) -> None:
    lines = printed(url, None, command)
    for wanted in READING[command]:
        assert any(wanted in line for line in lines), (wanted, lines)
    assert [line for line in lines if re.search(r"  |─| $", line.rstrip("\t"))] == []
    if command == "customers":
        heading, *rows = (line.split("\t") for line in lines)
        assert heading[:4] == ["customer", "name", "product", "plan"]
        assert [row[0] for row in rows] == ["ida", LONG, "eve"]
        assert {len(row) for row in rows} == {len(heading)}


@pytest.mark.parametrize("code", ["a\tb", "c\t\td", "e\nf", "g\r\nh\ti"])
def test_a_code_with_a_tab_or_line_break_is_one_cell_in_a_pipe(code: str) -> None:
    with serve(catalog()) as server:
        Command(server.url).says("customers", "add", code, "--plan", "GLOW")
        heading, row = (line.split("\t") for line in printed(server.url, None, "customers"))
        assert len(row) == len(heading), row
