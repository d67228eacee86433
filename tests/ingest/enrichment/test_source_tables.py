from ingest.enrichment.source_tables import COUNTRY, source_tables, spam_hosts


def test_keys_that_are_looked_up_in_lower_case_are() -> None:
    tables = source_tables()
    for keys in (tables.names, tables.hosts, tables.paths, tables.families):
        assert [key for key in keys if key != key.lower()] == []


def test_hosts_have_no_scheme_and_no_www() -> None:
    tables = source_tables()
    hosts = [*tables.hosts, *tables.paths]
    assert [host for host in hosts if host.startswith("www.") or "/" in host] == []
    assert [host for host in hosts if COUNTRY in host and not host.endswith(f".{COUNTRY}")] == []


def test_every_name_is_a_known_key() -> None:
    tables = source_tables()
    assert all(name.lower() in tables.names for name in tables.hosts.values())
    assert all(name.lower() in tables.names for name in tables.names.values())


def test_longer_paths_come_first() -> None:
    for entries in source_tables().paths.values():
        for index, (beginning, _) in enumerate(entries):
            assert not any(later.startswith(beginning) for later, _ in entries[index + 1 :])


def test_categories_are_known_ones() -> None:
    known = {"SEARCH", "SOCIAL", "VIDEO", "SHOPPING", "EMAIL", "AI_ASSISTANTS"}
    assert set(source_tables().categories.values()) == known


def test_spam_hosts_are_hosts() -> None:
    hosts = spam_hosts()
    assert len(hosts) > 2000
    assert not any("/" in host or host.startswith("www.") for host in hosts)
