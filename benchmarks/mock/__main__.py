"""`python -m benchmarks.mock`: creating customers and adding charges, over 8 connections.

The rival is localstripe, which mocks another billing API: its customers and invoice items. Of the small
servers each has a thousand customers stored, of the large one a hundred thousand. A round adds some, for the
rival so few that it has a thousand on the average.
"""

import argparse
import http.client
import json
from contextlib import ExitStack

from benchmarks.load import press
from benchmarks.measure import alternate, median, report
from benchmarks.mock.side import Bare, Localstripe, Side, Tallyhook, first_answer

CONNECTIONS = 8
SMALL, LARGE = 1_000, 100_000
REQUESTS = 2_000
RIVAL_REQUESTS = 30  # it takes some forty times as long for each


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mock", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=LARGE, help="customers that the large server has")
    options = parser.parse_args()
    small, large, bare, rival = Tallyhook(), Tallyhook(), Bare(), Localstripe()
    with ExitStack() as running:
        for side in (small, large, bare, rival):
            running.enter_context(side.running())
        press(small.port, small.customers(SMALL), CONNECTIONS)
        press(large.port, large.customers(options.large), CONNECTIONS)
        _settle(rival, SMALL - (options.rounds + 1) * RIVAL_REQUESTS // 2)
        rates = alternate(
            options.rounds,
            rival_customers=lambda: _press(rival, rival.customers(RIVAL_REQUESTS)),
            rival_charges=lambda: _press(rival, _charges(rival, RIVAL_REQUESTS, len(rival.ids))),
            bare=lambda: _press(bare, bare.customers(REQUESTS)),
            small_customers=lambda: _press(small, small.customers(REQUESTS)),
            large_customers=lambda: _press(large, large.customers(REQUESTS)),
            small_charges=lambda: _press(small, _charges(small, REQUESTS, SMALL)),
            large_charges=lambda: _press(large, _charges(large, REQUESTS, options.large)),
        )
    starts = alternate(
        2 * options.rounds, mock=lambda: first_answer(Tallyhook()), bare=lambda: first_answer(Bare())
    )
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
    figures = {
        "times_customer": rate["small_customers"] / rate["rival_customers"],
        "times_charge": rate["small_charges"] / rate["rival_charges"],
        "ratio_bare": min(rate["small_customers"], rate["small_charges"]) / rate["bare"],
        "flat": min(
            rate["large_customers"] / rate["small_customers"], rate["large_charges"] / rate["small_charges"]
        ),
        "ready": start["mock"] / start["bare"],
    }
    title = f"Calls a second over {CONNECTIONS} connections (medians of {options.rounds} rounds)"
    report(title, rows, ("server", "customers", "charges", "first answer"), figures)


def _press(side: Side, requests: list[bytes]) -> float:
    return press(side.port, requests, CONNECTIONS)


def _charges(side: Side, count: int, stored: int) -> list[bytes]:
    """One each to a thousand of the customers and then once more, so that all documents are of one length."""
    step = max(stored // SMALL, 1)
    return [side.charge(number % min(SMALL, stored) * step) for number in range(count)]


def _settle(rival: Localstripe, count: int) -> None:
    """Create customers one by one: the ids are localstripe's own."""
    connection = http.client.HTTPConnection("127.0.0.1", rival.port)
    for request in rival.customers(count):
        head, _, form = request.decode().partition("\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        connection.request("POST", "/v1/customers", form, headers)
        rival.ids.append(json.load(connection.getresponse())["id"])
    connection.close()


if __name__ == "__main__":
    main()
