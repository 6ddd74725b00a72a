"""Waits for listeners' answers to a hook, and prints the answers."""

import sys
import time
from collections.abc import Collection, Mapping
from typing import Any

from rich.text import Text

from tallyhook_mock.cli.cells import moment, short
from tallyhook_mock.cli.remote import Remote, path
from tallyhook_receiver.cli.command import BAD
from tallyhook_receiver.cli.output import can_write, print_json, say

__all__ = ["answered", "report"]

# Real seconds between polls, and until the command stops waiting for a listener.
_PAUSE, _PATIENCE = 0.03, 60.0
_WIDEST = 200  # characters of an answer


def report(remote: Remote, hook: Mapping[str, Any], places: Collection[int], *, as_json: bool) -> None:
    """Wait until the deliveries with the indexes `places` have been tried, and print the answers.

    `hook` is the mock's description of the hook before these attempts. Exits with 1 if any of the deliveries
    was not acknowledged.
    """
    now = _awaited(remote, hook, places)
    deliveries = [now["deliveries"][place] for place in places]
    if as_json:
        print_json(now)
    else:
        say(Text.assemble((short(now["id"]), "bold"), f" {now['type']} about {now['customer']}"))
        for place in places:
            _say(now["deliveries"][place], len(hook["deliveries"][place]["attempts"]))
    if not all(delivery["state"] == "delivered" for delivery in deliveries):
        sys.exit(BAD)


def answered(status: int | None, seconds: float, answer: str, url: str) -> Text:
    """Return a line such as `→ 200 in 40 ms`, or the reason why there was no answer."""
    arrow = "→" if can_write("→") else "->"
    is_good = status is not None and 200 <= status < 300
    line = Text(f"  {arrow} ")
    if status is None:
        return line.append(answer, "red").append(f"  {url}", "dim")
    line.append(str(status), "green" if is_good else "red").append(f" in {seconds * 1000:,.0f} ms")
    line.append(f"  {url}", "dim")
    said = " ".join(answer.split())[:_WIDEST]
    return line if is_good or not said else line.append(f"\n    {said}")


def _awaited(remote: Remote, hook: Mapping[str, Any], places: Collection[int]) -> dict[str, Any]:
    paused = {
        (each["product"], each["url"]) for each in remote.get("/listeners")["listeners"] if each["isPaused"]
    }
    end = time.monotonic() + _PATIENCE
    while True:
        now = dict(remote.get(path("hooks", hook["id"])))
        waiting = [
            place
            for place in places
            if (delivery := now["deliveries"][place])["state"] in ("pending", "sending")
            and len(delivery["attempts"]) == len(hook["deliveries"][place]["attempts"])
            and not delivery["isPostponed"]
            and (now["product"], delivery["listener"]) not in paused
        ]
        if not waiting or time.monotonic() > end:
            return now
        time.sleep(_PAUSE)


def _say(delivery: Mapping[str, Any], before: int) -> None:
    tried = delivery["attempts"][before:]
    url = delivery["listener"]
    if tried:
        last = tried[-1]
        line = answered(last["status"], last["seconds"], last["answer"], url)
        if last["fault"]:
            line.append(f" (fault {last['fault']})")
    elif delivery["isPostponed"]:
        line = answered(None, 0, "held back by a fault", url)
    elif delivery["state"] == "canceled":
        line = answered(None, 0, "canceled", url)
    else:
        line = answered(None, 0, "no answer yet: the listener is paused or still working", url)
    if delivery["nextAt"]:
        line.append(f"\n    sent again at {moment(delivery['nextAt'])} UTC")
    say(line)
