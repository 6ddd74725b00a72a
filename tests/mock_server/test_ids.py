"""Ids: what is written is read again, and nothing else is."""

import json
from itertools import pairwise

import httpx
import pytest

from tallyhook_mock import Server, serve
from tallyhook_mock.core import ids

from .loopback import Api, catalog, listening

WRITTEN = "1e39d01b-7a11-11f0-8a5e-0eff7a117a11"
TAIL = WRITTEN[8:]


@pytest.mark.parametrize("number", [0, 1, 0x1E39D01B, 0xFFFFFFFF, 0x1_0000_0000])
def test_an_id_is_read_as_it_was_written_in_either_case(number: int) -> None:
    written = ids.text(number)
    assert ids.parse(written) == ids.parse(written.upper()) == number


@pytest.mark.parametrize(
    "written",
    [
        "",
        TAIL,
        WRITTEN[:-1],
        f"{WRITTEN}0",
        f" {WRITTEN}",
        f"0{WRITTEN}",  # a second spelling of the same number
        f"+1e39d01{TAIL}",
        f"-1e39d01{TAIL}",
        f"0x1e39d0{TAIL}",
        f"1e3_9d01{TAIL}",
        f"1e39d0１b{TAIL}",
        f"1e39d0{TAIL}",
        "1e39d01b-7a11-11f0-8a5e-0eff7a117a12",
    ],
)
def test_any_other_spelling_is_nobody(written: str) -> None:
    assert ids.parse(written) is None


def test_ids_of_other_seeds_lie_far_apart_and_have_eight_digits() -> None:
    beginnings = sorted(ids.beginning(seed) for seed in range(1000))
    assert min(after - before for before, after in pairwise(beginnings)) > 100_000
    assert 0x10000000 <= beginnings[0] < beginnings[-1] < 0xF0000000


def first_hook(server: Server) -> bytes:
    """The body of the first invoice's hook, the same customer being played each time."""
    with listening() as listener:
        server.listen(listener.url, ("subscriptionBillable",))
        Api(server).subscribe("ida")
        server.advance("1mo")
        (hook,) = listener.received
    return hook.body


def test_no_two_worlds_send_the_same_bytes() -> None:
    bodies = set()
    for _ in range(2):
        with serve(catalog(), seed=None) as server:
            bodies.add(first_hook(server))
            server.reset()
            bodies.add(first_hook(server))
    assert len(bodies) == 4


def test_a_catalogue_with_an_id_fixes_no_other() -> None:
    content = catalog()
    content["products"][0]["id"] = ids.text(0xFFFFFFFF)
    bodies = set()
    for _ in range(2):
        with serve(content, seed=None) as server:
            bodies.add(first_hook(server))
    assert len(bodies) == 2


def test_ids_of_a_seed_are_the_same_in_every_run_and_after_a_reset() -> None:
    bodies = set()
    for _ in range(2):
        with serve(catalog(), seed=7) as server:
            bodies.add(first_hook(server))
            server.reset()
            bodies.add(first_hook(server))
    assert len(bodies) == 1


def test_an_id_that_a_catalogue_gives_is_given_to_nobody_else() -> None:
    counted = ids.Ids(100)
    counted.reserve(102)
    assert [counted.next() for _ in range(3)] == [101, 103, 104]


def test_a_hook_on_request_is_told_from_the_real_one_by_its_actor() -> None:
    with serve(catalog()) as server, listening() as listener:
        server.listen(listener.url, ("subscriptionBillable",))
        Api(server).subscribe("ida")
        server.advance("1mo")
        wish = {"type": "subscriptionBillable", "customer": "ida"}
        assert httpx.post(f"{server.url}/_mock/hooks", json=wish).status_code == 202
        server.settle()
        real, made = (json.loads(hook.body) for hook in listener.received)
    assert (real.pop("activityActor"), made.pop("activityActor")) == ("system", "operator")
    assert real.pop("activityDatetime") == made.pop("activityDatetime")
