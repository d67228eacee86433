import pytest

from ingest.plausible.postgres import PlausibleError, PlausibleReader, connection_parameters


def test_parameters() -> None:
    assert connection_parameters("postgres://u:p%40%2F@db:5433/plausible_db?sslmode=require") == {
        "user": "u",
        "password": "p@/",
        "host": "db",
        "port": "5433",
        "dbname": "plausible_db",
        "sslmode": "require",
    }


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "ecto"])
def test_schemes(scheme: str) -> None:
    assert connection_parameters(f"{scheme}://db/x") == {"host": "db", "dbname": "x"}


@pytest.mark.parametrize(
    "url",
    [
        "db",
        "mysql://u:qzx@db/x",
        "postgres://u:qzx@qzx@db/x",
        "postgres://u:qzx/qzx@db/x",
        "postgres://u:12/qzx@db/x",
        "postgres://u:qzx?qzx@db/x",
        "postgres://u:qzx%zz@db/x",
        "postgres://u:qzx@db:many/x",
        "postgres://u:qzx@db/x?socket_dir=qzx",
    ],
)
def test_what_is_no_url_is_not_repeated(url: str) -> None:
    with pytest.raises(PlausibleError, match="cannot be read: expected postgres://") as raised:
        PlausibleReader(url)
    assert "qzx" not in str(raised.value)
