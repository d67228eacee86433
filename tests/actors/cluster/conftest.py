from collections.abc import Iterator

import pytest
import trio

from tests.actors.cluster.letters_in_memory import LettersInMemory
from tests.actors.cluster.mock_cluster import MockCluster, mock_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[MockCluster]:
    """Brokers for all tests; each uses topics of its own."""
    with mock_cluster() as brokers:
        yield brokers


@pytest.fixture
def memory(nursery: trio.Nursery) -> LettersInMemory:
    """The letters topic in memory."""
    return LettersInMemory(nursery)
