"""The choice of a store."""

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.embedded import EmbeddedStore
from actors.stores.store import ImportStore
from actors.stores.url import EmbeddedAddress, parse_url


def open_store(url: str) -> ImportStore:
    """The store at this URL; nothing is touched before its `open`.

    Raises:
        StoreMisconfigured: As for `actors.stores.url.parse_url`.
    """
    address = parse_url(url)
    if isinstance(address, EmbeddedAddress):
        return EmbeddedStore(address)
    return ClickHouseStore(address)
