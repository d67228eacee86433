from collections.abc import Iterator

import pytest

from tests.actors.cluster.mock_cluster import MockCluster, mock_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[MockCluster]:
    """Brokers for all tests; each uses topics of its own."""
    with mock_cluster() as brokers:
        yield brokers
