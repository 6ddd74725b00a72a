"""`python -m benchmarks.mock`: creating customers and adding charges, over 8 connections.

The rival is localstripe, which mocks another billing API: its customers and invoice items. A customer has a
name, an email address and no card on either side; here it also gets a subscription to a free plan, which this
API asks for. Of the small servers each begins with a thousand customers, of the large one with a hundred
thousand, and on the small ones every customer has a charge that waits. A round adds some, for the rival so
few that it has a thousand of each on the average.
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
RIVAL_REQUESTS = 8  # it takes a hundred times as long for each


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
        # What is compared stands side by side.
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
    """Create customers one by one, for the ids are localstripe's own, and then an item for each."""
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
