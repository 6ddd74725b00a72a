"""Lists have pages: in the control API, by the commands, and in the console."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as markup

from tallyhook_mock import Server, serve
from tallyhook_mock.console.listing import page_of

from .command import Command, run
from .loopback import Api, catalog, listening

MANY = 230  # three pages of the console


def people(count: int) -> list[dict[str, str]]:
    return [
        {"code": f"C{number:03}", "planCode": "GLOW", "firstName": "Odd" if number % 2 else "Even"}
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def large() -> Iterator[Server]:
    others = {
        "fusebill": {"customers": [{"id": 900 - number, "name": f"F{number}"} for number in range(MANY)]},
    }
    with serve(catalog(customers=people(MANY)) | others) as server:
        yield server


@pytest.fixture
def small() -> Iterator[Server]:
    with serve(catalog(customers=people(5))) as server:
        yield server


def get(server: Server, path: str, status: int = 200, **query: object) -> Any:
    answer = httpx.get(f"{server.url}/_mock{path}", params=query, timeout=60)  # type: ignore[arg-type]  # numbers too
    assert answer.status_code == status, answer.text
    return answer.json()


def walk(server: Server, path: str, name: str, limit: int, **query: object) -> list[Any]:
    """All of a list, a part at a time."""
    found, following = [], None
    for _ in range(1000):
        part = get(server, path, limit=limit, **query, **({"after": following} if following else {}))
        assert len(part[name]) <= limit
        found += part[name]
        following = part.get("next")
        if following is None:
            return found
        assert len(part[name]) == limit
    raise AssertionError("it never ends")


@pytest.mark.parametrize("path", ["/customers", "/fusebill/customers"])
@pytest.mark.parametrize("limit", [60, 115, 230, 231, 10_000])
def test_the_parts_of_a_list_are_the_list(large: Server, path: str, limit: int) -> None:
    whole = get(large, path)
    assert "next" not in whole
    assert len(whole["customers"]) == MANY
    assert walk(large, path, "customers", limit) == whole["customers"]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "-1"}, "whole number"),
        ({"limit": "ten"}, "whole number"),
        ({"limit": "9" * 30}, "whole number"),
        ({"limit": ""}, "whole number"),
        ({"after": "nobody"}, "after"),
        ({"after": ""}, "after"),
        ({"before": "x"}, "unknown"),
    ],
)
def test_what_makes_no_sense_is_refused(large: Server, query: dict[str, str], why: str) -> None:
    assert why in get(large, "/customers", 400, **query)["error"]


def test_invoices_and_events_have_parts(small: Server) -> None:
    Api(small).subscribe("ida")
    small.advance("100d")
    whole = get(small, "/customers/ida/invoices")
    numbers = [each["number"] for each in whole["invoices"]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 5
    assert walk(small, "/customers/ida/invoices", "invoices", 2) == whole["invoices"]
    assert get(small, "/customers/ida/invoices", limit=1)["next"] == str(numbers[0])
    events = get(small, "/customers/ida/timeline")["timeline"]
    assert walk(small, "/customers/ida/timeline", "timeline", 2) == events
    assert get(small, "/customers/ida/timeline", after=len(events)) == {"customer": "ida", "timeline": []}
    assert "after" in get(small, "/customers/ida/timeline", 400, after="now")["error"]


def test_events_keep_their_numbers_when_the_oldest_are_forgotten(small: Server) -> None:
    small.call(lambda: setattr(small.mock.timeline, "_kept", 3))
    Api(small).subscribe("ida")
    for _ in range(5):
        Api(small).call("customers/add-charge", code="ida", chargeCode="X", quantity="1", eachAmount="1.00")
    events = get(small, "/customers/ida/timeline")["timeline"]
    assert len(events) == 3
    number = int(get(small, "/customers/ida/timeline", limit=1)["next"])
    assert number > 3
    assert get(small, "/customers/ida/timeline", after=number)["timeline"] == events[1:]
    Api(small).call("customers/add-charge", code="ida", chargeCode="Y", quantity="1", eachAmount="1.00")
    assert get(small, "/customers/ida/timeline", after=number + 2)["timeline"][0]["item"] == "Y"


def test_hooks_have_parts_in_both_orders_and_by_filter() -> None:
    with listening() as listener, serve(catalog()) as server:
        server.listen(listener.url)
        for number in range(6):
            Api(server).subscribe(f"C{number}")
        server.advance("0s")
        whole = get(server, "/hooks")["hooks"]
        assert {each["type"] for each in whole} == {"newSubscription", "transaction"}
        for limit in (1, 4, 5):
            assert walk(server, "/hooks", "hooks", limit) == whole
            assert walk(server, "/hooks", "hooks", limit, order="newest") == whole[::-1]
            new = [each for each in whole if each["type"] == "newSubscription"]
            assert walk(server, "/hooks", "hooks", limit, type="newSubscription") == new
        assert "order" in get(server, "/hooks", 400, order="sideways")["error"]
        command = Command(server.url)
        latest = command.gives("hooks", "list")
        assert latest == whole
        assert "earlier hooks" in run("hooks", "list", "--limit", "5", mock=server.url).stderr
        assert command.gives("hooks", "list", "--limit", "5") == whole[-5:]
        done = run("hooks", "list", "--limit", "5", "--after", whole[2]["id"], mock=server.url)
        assert f"--after {whole[7]['id']}" in done.stderr
        assert command.gives("hooks", "list", "--after", whole[7]["id"]) == whole[8:]


def test_commands_say_when_there_is_more(large: Server) -> None:
    command = Command(large.url)
    done = run("customers", mock=large.url)
    assert (done.returncode, done.stdout.count(" GLOW ")) == (0, 100)
    found = re.fullmatch(r"There is more: continue with --after (\S+)\n", done.stderr)
    assert found is not None
    assert [each["code"] for each in command.gives("customers", "--after", found[1], "--limit", "130")] == [
        f"C{number:03}" for number in range(100, 230)
    ]
    assert len(command.gives("customers", "--limit", "1000")) == MANY
    assert "after" in command.complains(2, "customers", "--after", "nobody")


def test_the_timeline_command_has_parts(small: Server) -> None:
    Api(small).subscribe("ida")
    small.advance("100d")
    command = Command(small.url)
    whole = command.gives("timeline", "ida")
    done = run("timeline", "ida", "--limit", "2", "--json", mock=small.url)
    assert "--after 2" in done.stderr
    assert command.gives("timeline", "ida", "--after", "2") == whole[2:]


def rows(page: str) -> list[str]:
    return [each.text_content() for each in markup.fromstring(page).xpath("//a[@data-row]")]


def links(page: str) -> dict[str, str]:
    found = markup.fromstring(page).xpath('//nav[@class="pages"]//a')
    return {each.text_content(): each.get("href") for each in found}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/console/customers", [f"C{number:03}" for number in range(MANY)]),
        ("/console/customers?q=odd", [f"C{number:03}" for number in range(1, MANY, 2)]),
        ("/console/fusebill", [str(900 - number) for number in range(MANY)]),
    ],
)
def test_the_console_goes_through_a_list_and_back(large: Server, path: str, names: list[str]) -> None:
    with httpx.Client(base_url=large.url, timeout=60) as browser:
        pages, address, forward = [], path, []
        while True:
            page = browser.get(address).raise_for_status().text
            pages.append(rows(page))
            forward.append(page)
            if "Next" not in links(page):
                break
            address = links(page)["Next"]
        assert [each for rows in pages for each in rows] == names
        assert len(pages[0]) == 100
        assert set(links(forward[0])) == {"Next"}
        back = page
        for expected in pages[-2::-1]:
            back = browser.get(links(back)["Previous"]).raise_for_status().text
            assert rows(back) == expected
        assert "Previous" not in links(back)
        assert rows(browser.get(links(forward[-1])["First"]).text) == pages[0]


def test_the_console_tells_which_part_is_shown(large: Server) -> None:
    with httpx.Client(base_url=large.url, timeout=60) as browser:
        first = browser.get("/console/customers").text
        assert "1–100 of 230" in first
        assert "101–200 of 230" in browser.get(links(first)["Next"]).text
        for nonsense in ("after=x", "before=x", "after=", "after=C001"):
            assert browser.get(f"/console/customers?{nonsense}").status_code == 404
        keys = markup.fromstring(first).xpath('//nav[@class="pages"]//a/@data-key')
        assert keys == ["l"]


def test_the_console_shows_hooks_beyond_the_first_hundred() -> None:
    with serve(catalog(customers=people(55))) as server:
        with listening() as listener:
            server.listen(listener.url)
            server.advance("35d")
            server.advance("0s")
        sent = [each["id"] for each in get(server, "/hooks", order="newest")["hooks"]]
        assert len(sent) > 100
        with httpx.Client(base_url=server.url, timeout=60) as browser:
            seen, address = [], "/console/hooks"
            while address:
                page = browser.get(address).text
                seen += re.findall(r'data-row href="/console/hooks/([^"]+)"', page)
                address = links(page).get("Next", "")
            assert seen == sent


keys = st.lists(st.integers(0, 40), unique=True).map(sorted)


@given(keys, st.integers(1, 5), st.integers(0, 40), st.booleans(), st.sampled_from([1, 2, 3]))
def test_parts_are_parts(all_keys: list[int], limit: int, key: int, newest_first: bool, every: int) -> None:
    whole = {each: each for each in all_keys}
    order = [each for each in (all_keys[::-1] if newest_first else all_keys) if each % every == 0]

    def later(each: int) -> bool:
        return each < key if newest_first else each > key

    def fits(each: int) -> bool:
        return each % every == 0

    after = page_of(whole, limit, after=key, fits=fits, newest_first=newest_first)
    rest = [each for each in order if later(each)]
    assert list(after.items) == rest[:limit]
    assert (after.next is None) == (len(rest) <= limit)
    before = page_of(whole, limit, before=key, fits=fits, newest_first=newest_first)
    head = [each for each in order if each != key and not later(each)]
    assert list(before.items) == head[-limit:]
    assert (before.previous is None) == (len(head) <= limit)
    whole_page = page_of(whole, fits=fits, newest_first=newest_first)
    assert (list(whole_page.items), whole_page.previous, whole_page.next) == (order, None, None)


def test_pages_of_events_lead_to_the_first(small: Server) -> None:
    Api(small).subscribe("ida")
    for number in range(230):
        small.mock.timeline.ignored("customers/get", [f"p{number}"], "LANTERN", "ida", small.mock.now())
    address, seen = "/console/customer?code=ida", []
    while address:
        page = markup.fromstring(httpx.get(f"{small.url}{address}").content)
        seen += [cell.text_content() for cell in page.xpath("//section[@id='timeline']//td[@class='note']")]
        following = [
            link.get("href") for link in page.xpath("//section[@id='timeline']//nav/a") if link.text == "Next"
        ]
        address = following[0] if following else ""
    events = get(small, "/customers/ida/timeline")["timeline"]
    assert len(seen) == len(events) > 230
    assert f"{len(events)} events as a list" in page.text_content()
