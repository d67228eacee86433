import pytest

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.embedded import EmbeddedStore
from actors.stores.open import open_store
from actors.stores.store import StoreMisconfigured


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("chdb://var/chdb", EmbeddedStore, "chdb"),
        ("clickhouse://localhost", ClickHouseStore, "clickhouse"),
        ("clickhouses://localhost", ClickHouseStore, "clickhouse"),
    ],
)
def test_scheme_chooses_the_store(url: str, kind: type, name: str) -> None:
    store = open_store(url)
    assert isinstance(store, kind)
    assert store.name == name
    assert store.findings == ()


def test_mistake() -> None:
    with pytest.raises(StoreMisconfigured):
        open_store("sqlite://x")
