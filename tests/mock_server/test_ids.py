"""Ids: what is written is read again, and nothing else is."""

import pytest

from tallyhook_mock.core import ids

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
