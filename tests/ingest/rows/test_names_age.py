import pytest

from ingest.rows.names_age import RENAMING_MIGRATION, NamesAge, names_age_query, rows_of_age
from ingest.rows.schema import COUNTERS, EVENTS, SESSIONS, Table
from tests.ingest.rows.example_rows import row


def named(table: Table, source: str) -> tuple[object, ...]:
    return row(table, referrer="chatgpt.com/c", referrer_source=source, utm_medium="m")


@pytest.mark.parametrize("table", [EVENTS, SESSIONS], ids=lambda table: table.name)
def test_only_sources_get_older_names(table: Table) -> None:
    newest, older = named(table, "ChatGPT"), named(table, "chatgpt.com")
    nowhere = row(table)
    assert rows_of_age(NamesAge.NEWEST, table, [newest]) == [newest]
    for age in (NamesAge.OLDER, NamesAge.UNKNOWN):
        assert rows_of_age(age, table, [newest, older, nowhere]) == [older, older, nowhere]


def test_a_tag_names_the_source_in_a_row() -> None:
    tagged = row(EVENTS, referrer="t.co", referrer_source="ChatGPT", utm_source="chatgpt.com")
    (older,) = rows_of_age(NamesAge.OLDER, EVENTS, [tagged])
    assert older == row(
        EVENTS, referrer="t.co", referrer_source="chatgpt.com", utm_source="chatgpt.com"
    )


def test_counters_have_no_sources() -> None:
    counters = [row(COUNTERS, domain="a.example", metric="buffered", value=2)]
    assert rows_of_age(NamesAge.OLDER, COUNTERS, counters) == counters


@pytest.mark.parametrize(
    "unfit",
    [
        (),
        named(EVENTS, "ChatGPT")[:20],
        (*named(EVENTS, "ChatGPT"), 1),
        row(EVENTS, referrer="t.co", referrer_source=7),
        row(EVENTS, referrer=None, referrer_source="ChatGPT"),
    ],
)
def test_rows_that_do_not_fit_stay_as_they_are(unfit: tuple[object, ...]) -> None:
    """Encoding refuses them, with the column's name."""
    assert rows_of_age(NamesAge.OLDER, EVENTS, [unfit]) == [unfit]


def test_the_migration_is_named() -> None:
    assert names_age_query("a`b") == (
        "SELECT count() FROM `a\\`b`.schema_migrations WHERE toString(version) = '20260601000001'"
    )
    for age in (NamesAge.NEWEST, NamesAge.OLDER):
        assert str(RENAMING_MIGRATION) in age
