"""Random histories of two years on the mock, cent by cent and date by date as the facts have them.

`make fuzz` plays thousands, `STORIES=20000 pytest tests/end_to_end/test_reference.py` as many as you like,
and `FIRST_STORY=4000` begins with others.
"""

import os

import pytest
from hypothesis import settings
from tests.end_to_end.reference.stage import differences, smallest
from tests.end_to_end.reference.story import TOGETHER, story

FUZZ = settings.get_current_profile_name() == "fuzz"
STORIES = int(os.environ.get("STORIES", "4000" if FUZZ else "320"))
FIRST = int(os.environ.get("FIRST_STORY", "0"))


@pytest.mark.parametrize("first", range(FIRST, FIRST + STORIES, TOGETHER))
def test_stories_end_as_worked_out(first: int) -> None:
    told = [story(seed) for seed in range(first, first + TOGETHER)]
    found = differences(told)
    if found:
        alone = {each.seed: each for each in told}
        seed = min(found, key=lambda each: len(alone[each].events))
        pytest.fail(
            f"{len(found)} stories of {TOGETHER} differ. The smallest:\n{smallest(alone[seed])[1]}",
            pytrace=False,
        )
