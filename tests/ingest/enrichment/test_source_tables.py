import pytest

from ingest.enrichment.source_tables import COUNTRY, SourceTables, source_tables, spam_hosts


@pytest.fixture(params=[False, True], ids=["newest", "older"])
def tables(request: pytest.FixtureRequest) -> SourceTables:
    return source_tables(older=request.param)


def test_keys_that_are_looked_up_in_lower_case_are(tables: SourceTables) -> None:
    for keys in (tables.names, tables.hosts, tables.paths, tables.families):
        assert [key for key in keys if key != key.lower()] == []


def test_hosts_have_no_scheme_and_no_www(tables: SourceTables) -> None:
    hosts = [*tables.hosts, *tables.paths]
    assert [host for host in hosts if host.startswith("www.") or "/" in host] == []
    assert [host for host in hosts if COUNTRY in host and not host.endswith(f".{COUNTRY}")] == []


def test_every_name_is_a_known_key(tables: SourceTables) -> None:
    assert all(name.lower() in tables.names for name in tables.hosts.values())
    assert all(name.lower() in tables.names for name in tables.names.values())


def test_longer_paths_come_first(tables: SourceTables) -> None:
    for entries in tables.paths.values():
        for index, (beginning, _) in enumerate(entries):
            assert not any(later.startswith(beginning) for later, _ in entries[index + 1 :])


def test_categories_are_known_ones() -> None:
    known = {"SEARCH", "SOCIAL", "VIDEO", "SHOPPING", "EMAIL"}
    assert set(source_tables(older=True).categories.values()) == known
    assert set(source_tables().categories.values()) == known | {"AI_ASSISTANTS"}


def test_spam_hosts_are_hosts() -> None:
    hosts = spam_hosts()
    assert len(hosts) > 2000
    assert not any("/" in host or host.startswith("www.") for host in hosts)
