"""A test network with a client side, and a daemon on its server side."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.lan import Lan, phone_bed


@pytest.fixture
def lan() -> Iterator[Lan]:
    with phone_bed() as bed, Lan(bed) as made:
        yield made
