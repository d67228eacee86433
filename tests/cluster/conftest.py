"""Fixtures for tests on real brokers."""

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from ingest.settings import Settings, setting_names
from tests.cluster.brokers import WAIT_SECONDS, Brokers, Options
from tests.cluster.member import Member

SECRET: Final = "0123456789abcdef0123456789abcdef"


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


@pytest.fixture
def prefix(name: str, brokers: Brokers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Settings of a front, with topics that no other test has."""
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields.values():
        for variable in setting_names(field):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("actors.cluster.admin.ANSWER_SECONDS", WAIT_SECONDS)
    monkeypatch.setattr("actors.cluster.topic_reading.READ_SECONDS", WAIT_SECONDS)
    prefix = f"{name[-60:]}."
    monkeypatch.setenv("KAFKA_BROKERS", brokers.addresses())
    monkeypatch.setenv("KAFKA_PREFIX", prefix)
    monkeypatch.setenv("SLUICE_CLUSTER_SECRET", SECRET)
    return prefix
