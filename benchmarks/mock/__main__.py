"""`python -m benchmarks.mock`: create customers and add charges over 8 connections.

The rival is localstripe, which mocks another billing API with customers and invoice items. On both sides, a
customer has a name, an email address and no card. On our side, a customer also has a subscription to a free
plan, because Cheddar's API requires one. The small server starts with a thousand customers, who each have a
pending charge, and the large server with a hundred thousand. Each round adds customers and charges. The rival
starts with fewer than a thousand of each, so that it has a thousand on average.
"""

import argparse
import http.client
import json
from contextlib import ExitStack

from benchmarks.load import press
from benchmarks.measure import alternate, median, ratio, report
from benchmarks.mock.side import Bare, Localstripe, Side, Tallyhook, first_answer

CONNECTIONS = 8
SMALL, LARGE = 1_000, 100_000
REQUESTS = 250
STARTS = 20
RIVAL_REQUESTS = 8  # a request takes the rival a hundred times as long


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mock", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--large", type=int, default=LARGE, help="customers that the large server has")
    options = parser.parse_args()
    small, large, bare, rival = Tallyhook(), Tallyhook(), Bare(), Localstripe()
    with ExitStack() as running:
        for side in (small, large, bare, rival):
            running.enter_context(side.running())
        press(small.port, small.customers(SMALL), CONNECTIONS)
        press(large.port, large.customers(options.large), CONNECTIONS)
        press(small.port, small.charges(SMALL), CONNECTIONS)
        _settle(rival, SMALL - (options.rounds + 1) * RIVAL_REQUESTS // 2)
        # Sides that are compared with each other run one after the other.
        rates = alternate(
            options.rounds,
            rival_customers=lambda: _press(rival, rival.customers(RIVAL_REQUESTS)),
            small_customers=lambda: _press(small, small.customers(REQUESTS)),
            large_customers=lambda: _press(large, large.customers(REQUESTS)),
            bare=lambda: _press(bare, bare.customers(REQUESTS)),
            large_charges=lambda: _press(large, large.charges(REQUESTS)),
            small_charges=lambda: _press(small, small.charges(REQUESTS)),
            rival_charges=lambda: _press(rival, rival.charges(RIVAL_REQUESTS)),
        )
    starts = alternate(STARTS, mock=lambda: first_answer(Tallyhook()), bare=lambda: first_answer(Bare()))
    rate = {name: median(values) for name, values in rates.items()}
    start = {name: median(values) for name, values in starts.items()}
    rows = [
        ("localstripe", f"{rate['rival_customers']:,.0f}", f"{rate['rival_charges']:,.0f}", ""),
        (
            f"Tallyhook, {SMALL:,} stored",
            f"{rate['small_customers']:,.0f}",
            f"{rate['small_charges']:,.0f}",
            f"{start['mock']:.3f} s",
        ),
        (
            f"Tallyhook, {options.large:,} stored",
            f"{rate['large_customers']:,.0f}",
            f"{rate['large_charges']:,.0f}",
            "",
        ),
        ("bare Starlette route", f"{rate['bare']:,.0f}", "", f"{start['bare']:.3f} s"),
    ]
    calls = ("customers", "charges")
    figures = {
        "times_customer": ratio(rates["small_customers"], rates["rival_customers"]),
        "times_charge": ratio(rates["small_charges"], rates["rival_charges"]),
        "ratio_bare": min(ratio(rates[f"small_{what}"], rates["bare"]) for what in calls),
        "flat": min(ratio(rates[f"large_{what}"], rates[f"small_{what}"]) for what in calls),
        "ready": ratio(starts["mock"], starts["bare"]),
    }
    title = f"Calls a second over {CONNECTIONS} connections (medians of {options.rounds} rounds)"
    report(title, rows, ("server", "customers", "charges", "first answer"), figures)


def _press(side: Side, requests: list[bytes]) -> float:
    return press(side.port, requests, CONNECTIONS).rate


def _settle(rival: Localstripe, count: int) -> None:
    """Create customers, and then an invoice item for each.

    Customers are created one by one, because localstripe chooses their ids.
    """
    connection = http.client.HTTPConnection("127.0.0.1", rival.port)
    for request in rival.customers(count):
        head, _, form = request.decode().partition("\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        connection.request("POST", "/v1/customers", form, headers)
        rival.ids.append(json.load(connection.getresponse())["id"])
    connection.close()
    _press(rival, rival.charges(count))


if __name__ == "__main__":
    main()
