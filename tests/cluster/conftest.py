"""Fixtures for tests on real brokers, which all tests share."""

import re
import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.brokers import Brokers, Options, require_kafka
from tests.cluster.member import Member


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """Three nodes with all listeners. A test that kills or pauses one leaves all running."""
    require_kafka()
    with Brokers(tmp_path_factory.mktemp("kafka"), secure=True) as running:
        yield running


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
