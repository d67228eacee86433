from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.stores.store import StoreMisconfigured
from actors.stores.url import EmbeddedAddress, ServerAddress, parse_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("chdb://var/chdb", EmbeddedAddress(Path("var/chdb"))),
        ("chdb:///srv/chdb", EmbeddedAddress(Path("/srv/chdb"))),
        (" chdb://var/my%20data\n", EmbeddedAddress(Path("var/my data"))),
        ("CHDB://x?database=plausible", EmbeddedAddress(Path("x"), "plausible")),
        ("chdb://x?database=", EmbeddedAddress(Path("x"), "default")),
        ("clickhouse://db.example", ServerAddress("db.example")),
        (
            "clickhouse://user:p%40ss%2Fw%23rd@db.example:9001/plausible_events_db",
            ServerAddress(
                "db.example",
                9001,
                user="user",
                password="p@ss/w#rd",
                database="plausible_events_db",
            ),
        ),
        ("clickhouse://[::1]:9000/a%20b", ServerAddress("::1", database="a b")),
        ("clickhouses://h/", ServerAddress("h", 9440, secure=True)),
        ("clickhouse://h?secure=true", ServerAddress("h", 9440, secure=True)),
        ("clickhouses://h:1?secure=no", ServerAddress("h", 1)),
        (
            "clickhouse://u:p@h/db?query_user=reader&query_password=s%2Bt",
            ServerAddress(
                "h",
                user="u",
                password="p",
                database="db",
                query_user="reader",
                query_password="s+t",
            ),
        ),
        (
            "clickhouses://h?verify=False&ca_certs=/etc/ca.pem",
            ServerAddress("h", 9440, secure=True, verify=False, ca_certs="/etc/ca.pem"),
        ),
    ],
)
def test_addresses(url: str, address: object) -> None:
    assert parse_url(url) == address


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "has no scheme: expected chdb://PATH or clickhouse://"),
        ("var/chdb", "has no scheme"),
        ("postgres://u:secret@h/db", "has an unknown scheme"),
        ("https://u:secret@h:8443/db", "has an unknown scheme"),
        ("chdb://", "names no directory"),
        ("chdb://?database=x", "names no directory"),
        ("chdb://x?secret=1", "unknown parameter 'secret': expected database"),
        ("chdb://a%3Fb", "a character that chDB cannot take"),
        ("chdb://:memory:", "a character that chDB cannot take"),
        ("chdb://file:x", "a character that chDB cannot take"),
        ("clickhouse://", "names no host"),
        ("clickhouse://u:secret@/db", "names no host"),
        ("clickhouse://[secret", "malformed host"),
        ("clickhouse://u:sec#ret@h", "names no host|'#'"),
        ("clickhouse://u:p@h/db#secret", "write it as %23"),
        ("clickhouse://u:sec/ret@h", "must be percent-encoded"),
        ("clickhouse://h:0/db", "not a number from 1 to 65535"),
        ("clickhouse://h:65536/db", "not a number from 1 to 65535"),
        ("clickhouse://h/db/secret", "more than a database"),
        ("clickhouse://h?timeout=3", "unknown parameter 'timeout': expected ca_certs, query_"),
        ("clickhouse://h?secure=perhaps", "secure in the store's URL must be true or false"),
        ("clickhouse://h?query_password=secret", "a query_password without a query_user"),
        ("clickhouse://h?verify=", "verify in the store's URL must be true or false"),
    ],
)
def test_mistakes(url: str, message: str) -> None:
    with pytest.raises(StoreMisconfigured, match=message) as caught:
        parse_url(url)
    assert "secret@" not in str(caught.value)
    assert "ret@" not in str(caught.value)


def test_the_password_is_not_shown() -> None:
    for url in ("clickhouse://u:secret@h", "clickhouse://h?query_user=u&query_password=secret"):
        assert "secret" not in repr(parse_url(url))


def test_who_queries() -> None:
    own = parse_url("clickhouse://u:p@h?query_user=reader&query_password=secret")
    assert isinstance(own, ServerAddress)
    assert (own.for_queries.user, own.for_queries.password) == ("reader", "secret")
    shared = ServerAddress("h", user="u", password="p")
    assert shared.for_queries == shared


@given(st.text(max_size=60))
def test_anything_else_is_a_mistake(text: str) -> None:
    for url in (text, f"clickhouse://{text}", f"clickhouse://u:secret@{text}", f"chdb://{text}"):
        with suppress(StoreMisconfigured):
            assert "secret" not in repr(parse_url(url))
