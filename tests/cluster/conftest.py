"""Fixtures for tests on real brokers."""

import re
import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.brokers import Brokers, Options
from tests.cluster.member import Member


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for the test's topic and group, which no other test has."""
    return f"{re.sub('[^a-z0-9]+', '-', request.node.name.lower())}-{secrets.token_hex(4)}"


@pytest.fixture
def join(brokers: Brokers, name: str) -> Iterator[Callable[..., Member]]:
    """Makes members of the test's group, with further options; they are closed after the test."""
    members: list[Member] = []

    def make(options: Options | None = None) -> Member:
        members.append(Member(name, {**brokers.options(), **(options or {})}))
        return members[-1]

    yield make
    for member in members:
        member.close()
