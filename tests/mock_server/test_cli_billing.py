"""What people would do by hand: customers, usage, charges, and a period played to its end."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tallyhook_mock import Server, serve

from .command import Command, run
from .loopback import Api, catalog, listening


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(catalog()) as running:
        yield running


@pytest.fixture
def command(server: Server) -> Command:
    return Command(server.url)


def test_a_customer_is_signed_up_billed_and_edited(server: Server, command: Command) -> None:
    with listening() as listener:
        server.listen(listener.url)
        told = command.says("customers", "add", "ida", "--plan", "GLOW", "--item", "OIL=3")
        assert told == (
            "ida is on plan GLOW of LANTERN; the next bill is on 2026-02-01 00:00:00 UTC, 22.50 so far\n"
        )
        server.settle()
        assert [hook.type for hook in listener.received] == ["transaction", "newSubscription"]
        assert command.gives("usage", "set", "ida", "OIL", "6")["total"] == "30.00"
        assert command.gives("usage", "add", "ida", "OIL", "1.5")["total"] == "33.75"
        assert command.gives("charge", "ida", "SETUP", "5.00", "--quantity", "2")["total"] == "43.75"
        assert command.gives("charge", "ida", "GOODWILL", "-1.25")["total"] == "42.50"
        told = command.says("bill", "ida")
        assert ["state", "paid"] in [line.split() for line in told.splitlines()]
        assert "42.50 approved" in told
        assert command.gives("clock", "show")["now"] == "2026-02-01T01:00:00+00:00"
    command.says("customers", "edit", "ida", "--email", "ida@lantern.example", "--last-name", "Lamp")
    details = server.customer("ida").details
    assert (details["email"], details["lastName"]) == ("ida@lantern.example", "Lamp")


@pytest.mark.parametrize(
    ("option", "code", "why"),
    [
        ("--first-name", 1, "irstName: A value is required"),
        ("--last-name", 1, "astName: A value is required"),
        ("--email", 1, "email: A value is required"),
        ("--card", 2, "--card: a value is required"),
        ("--coupon", 2, "--coupon: a value is required"),
        ("--plan", 2, "--plan: there is no ''"),
    ],
)
def test_an_empty_value_is_sent_and_not_replaced(
    server: Server, command: Command, option: str, code: int, why: str
) -> None:
    command.says("customers", "add", "eve", "--plan", "GLOW")
    before = server.customer("eve").details
    for arguments in (("add", "ida", "--plan", "GLOW"), ("edit", "eve")):
        assert why in command.complains(code, "customers", *arguments, option, "")
    assert [each["code"] for each in command.gives("customers")] == ["eve"]
    assert server.customer("eve").details == before


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("usage", "set", "ida", "OIL", "-1"), 1, "quantity: '-1' is not greater than or equal to '0'"),
        (("usage", "add", "ida", "OIL", "-.5"), 1, "quantity: '-0.5' is not greater than or equal to '0'"),
        (("clock", "advance", "-1d"), 2, "'-1d' is not a duration"),
        (("seed", "-1"), 2, "-1 is not in the range"),
        (("snapshot", "restore", "-1"), 1, "there is no snapshot '-1'"),
    ],
)
def test_a_negative_number_is_a_value_and_no_option(
    server: Server, command: Command, arguments: tuple[str, ...], code: int, why: str
) -> None:
    command.says("customers", "add", "ida", "--plan", "GLOW")
    done = run(*arguments, mock=server.url)
    assert (done.returncode, done.stdout) == (code, "")
    assert why in done.stderr


@pytest.mark.parametrize("amount", ["5", "-5", "-.5"])
def test_a_misspelt_option_is_never_the_code_of_a_charge(
    server: Server, command: Command, amount: str
) -> None:
    before = command.gives("customers", "add", "ida", "--plan", "GLOW")["current"]
    for arguments in (["--outstandin", amount], [amount, "--outstandin"], ["X", amount, "--quantiti", "2"]):
        done = run("charge", "ida", *arguments, mock=server.url)
        assert (done.returncode, done.stdout) == (2, "")
        assert "No such option '--" in done.stderr
    assert [each["current"] for each in command.gives("customers")] == [before]


@pytest.mark.parametrize("item", ["OIL", "OIL=", "=3", "="])
def test_an_item_without_a_quantity(server: Server, command: Command, item: str) -> None:
    arguments = ("customers", "add", "ida", "--plan", "GLOW", "--item", item)
    assert "is not of the form ITEM=QUANTITY" in command.complains(2, *arguments)
    assert command.gives("customers") == []


def test_white_space_around_a_code_is_ignored(server: Server, command: Command) -> None:
    """As the API does: else a charge was added, and the command failed nevertheless."""
    assert command.gives("customers", "add", " ida ", "--plan", "GLOW")["code"] == "ida"
    assert command.gives("customers", "edit", "ida ", "--last-name", "Lamp")["name"] == "ida Lamp"
    before = Decimal(command.gives("invoice", "\tida")["total"])
    assert Decimal(command.gives("charge", " ida", "SETUP", "5.00")["total"]) == before + 5
    assert command.gives("usage", "set", "ida ", "OIL", "3")["invoicePeriod"] == "current"
    assert "paid" in command.says("bill", " ida ")


def test_a_plan_without_a_frequency_is_never_billed() -> None:
    plan = {"code": "ONCE", "recurringChargeAmount": "9.00", "billingFrequency": "none"}
    with serve(catalog(plans=[plan])) as once:
        command = Command(once.url)
        command.says("customers", "add", "ida", "--plan", "ONCE")
        told = command.complains(1, "bill", "ida")
        assert "the frequency of the plan ONCE is none" in told
        Api(once).call("customers/cancel", code="ida")
        assert "is canceled" in command.complains(1, "bill", "ida")


def test_what_is_wrong_is_said_in_one_line(server: Server, command: Command) -> None:
    Api(server).subscribe("ida")
    for code, why, arguments in (
        (2, "there is no 'GLOV'; did you mean GLOW?", ("customers", "add", "eve", "--plan", "GLOV")),
        (2, "there is no 'GLOV'; did you mean GLOW?", ("customers", "edit", "ida", "--plan", "GLOV")),
        (2, "name at least one field to change", ("customers", "edit", "ida")),
        (1, "ida", ("customers", "add", "ida", "--plan", "GLOW")),
        (1, "Customer not found", ("charge", "eve", "A", "1")),
        (1, "OLI", ("usage", "set", "ida", "OLI", "1")),
        (2, "did you mean 1mo?", ("bill", "ida", "--within", "1 month")),
        (1, "Customer not found", ("bill", "eve")),
        (1, "", ("run", "ida")),
    ):
        assert why in command.complains(code, *arguments)
    Api(server).call("customers/cancel", code="ida")
    assert "no period that could be billed" in command.complains(1, "bill", "ida")


def test_a_bill_that_is_held_says_where_to_look(server: Server, command: Command) -> None:
    Api(server).subscribe("ida")
    with listening(lambda _: 500) as listener:
        server.listen(listener.url, ["subscriptionBillable"])
        done = run("bill", "ida", mock=server.url)
        assert done.returncode == 1
        assert ["state", "held"] in [line.split() for line in done.stdout.splitlines()]
        assert done.stderr == (
            "tallyhook: the invoice is held: its hook is not acknowledged;"
            " `tallyhook hooks list --customer ida` shows the answers\n"
        )
    assert command.gives("run", "ida")["state"] == "paid"


def test_a_period_is_billed_while_the_clock_runs(server: Server, command: Command) -> None:
    """As on a mock without --frozen."""
    Api(server).subscribe("ida")
    command.says("clock", "real")
    assert command.gives("bill", "ida")["state"] == "paid"
    assert command.gives("bill", "ida")["number"] == 3


@pytest.mark.parametrize(
    ("start", "within"), [("2026-01-01T00:00:00Z", "9000y"), ("7999-12-15T00:00:00Z", "1d")]
)
def test_a_bill_beyond_the_calendar_is_refused(start: str, within: str) -> None:
    with serve(catalog(customers=[{"code": "ida", "planCode": "GLOW"}]), start=start) as late:
        assert "year" in Command(late.url).complains(2, "bill", "ida", "--within", within)
