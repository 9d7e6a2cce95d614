"""Pages of a list in the order of keys, of many records that come in any order."""

from __future__ import annotations

import random

import pytest

from provd.app.admin import views
from provd.app.admin.params import LISTING, check


@pytest.mark.parametrize("limit", [1, 7, 200, 3000])
async def test_pages_are_together_the_whole_list_and_each_looks_at_a_record_once(limit: int) -> None:
    records = [f"{number:05}" for number in range(2000)]
    random.Random(limit).shuffle(records)
    looked = 0

    def key(record: str) -> str:
        nonlocal looked
        looked += 1
        return record

    found: list[object] = []
    after, pages = None, 0
    while pages < 3 or limit > 100:
        given = {"limit": limit, **({} if after is None else {"after": after})}
        page = await views.page(records, check(LISTING, given), key, lambda record: {"id": record})
        items = page["items"]
        assert isinstance(items, list)
        found += [each["id"] for each in items]
        assert page["total"] == 2000 - (0 if after is None else int(str(after)) + 1)
        after, pages = page["next"], pages + 1
        if after is None:
            break
    assert found == sorted(records)[: len(found)]
    assert (after is None) == (limit > 100)
    assert looked == pages * len(records), "a page costs one look at each record, not one for each of its own items"
