import pytest

from ingest.rows.servers import (
    OVERLAP_SECONDS,
    SILENT_SECONDS,
    SeenServer,
    Server,
    beat_statement,
    create_statement,
    others_beside,
    others_of_directory,
    seen_servers,
    select_statement,
)

US = Server("p1", "d1", "one:8000")
THEM = Server("p2", "d2", "two:8000")
LONG_AGO = 500


def worker(number: int, cluster: str) -> Server:
    return Server(f"w{number}", f"dw{number}", f"worker-{number}:8000", "worker", cluster)


@pytest.mark.parametrize(
    ("seen", "others"),
    [
        pytest.param([], [], id="nobody"),
        pytest.param([SeenServer(US, LONG_AGO, 0)], [], id="only itself"),
        pytest.param([SeenServer(THEM, LONG_AGO, 5)], [], id="own beats are not there yet"),
        pytest.param(
            [SeenServer(US, LONG_AGO, 0), SeenServer(THEM, LONG_AGO, 5)], [THEM], id="another"
        ),
        pytest.param(
            [SeenServer(US, 60, 0), SeenServer(THEM, LONG_AGO, 61)],
            [],
            id="one that ended before the start",
        ),
        pytest.param(
            [SeenServer(US, 60, 0), SeenServer(THEM, LONG_AGO, 60 - OVERLAP_SECONDS + 1)],
            [],
            id="one whose last insert came late",
        ),
        pytest.param(
            [SeenServer(US, 60, 0), SeenServer(THEM, LONG_AGO, 60 - OVERLAP_SECONDS)],
            [THEM],
            id="one that went on after the start",
        ),
        pytest.param(
            [SeenServer(US, LONG_AGO, 0), SeenServer(THEM, LONG_AGO, SILENT_SECONDS + 1)],
            [],
            id="one that has been silent for long",
        ),
        pytest.param(
            [SeenServer(US, LONG_AGO, 0), SeenServer(Server("p2", "d1", "two:1"), LONG_AGO, 5)],
            [Server("p2", "d1", "two:1")],
            id="a copy of the state directory",
        ),
        pytest.param(
            [
                SeenServer(US, LONG_AGO, 0),
                SeenServer(THEM, LONG_AGO, 70),
                SeenServer(Server("p3", "d2", "two:8001"), 60, 5),
            ],
            [Server("p3", "d2", "two:8001")],
            id="another that was restarted counts once",
        ),
        pytest.param(
            [
                SeenServer(US, LONG_AGO, 0),
                SeenServer(worker(2, "c"), LONG_AGO, 5),
                SeenServer(worker(1, "c"), LONG_AGO, 6),
            ],
            [worker(1, "c"), worker(2, "c")],
            id="a cluster beside a single server",
        ),
    ],
)
def test_the_others_of_a_single_server(seen: list[SeenServer], others: list[Server]) -> None:
    assert list(others_beside(US, seen)) == others


def test_workers_of_one_cluster_are_no_others() -> None:
    first, second, stranger = worker(1, "c"), worker(2, "c"), worker(3, "other")
    seen = [SeenServer(server, LONG_AGO, 5) for server in (first, second, stranger, US)]
    assert others_beside(first, seen[:2]) == ()
    assert others_beside(first, seen) == (US, stranger)


@pytest.mark.parametrize(
    ("directory", "seen", "others"),
    [
        pytest.param(None, [], [], id="nobody"),
        pytest.param(None, [SeenServer(US, 3, 3)], [US], id="a directory without an id"),
        pytest.param("d1", [SeenServer(US, 3, 3)], [], id="the server of the directory"),
        pytest.param("d1", [SeenServer(THEM, 3, 3)], [THEM], id="a server of another directory"),
        pytest.param(
            "d1",
            [SeenServer(US, 3, 3), SeenServer(THEM, LONG_AGO, 20)],
            [],
            id="one that ended before the directory's server began",
        ),
        pytest.param(
            "d1",
            [SeenServer(US, 90, 3), SeenServer(THEM, LONG_AGO, 20)],
            [THEM],
            id="one beside the directory's server",
        ),
        pytest.param(
            "d1",
            [SeenServer(US, LONG_AGO, SILENT_SECONDS + 1), SeenServer(THEM, LONG_AGO, 20)],
            [THEM],
            id="one that goes on after the directory's server ended",
        ),
        pytest.param(
            "d1",
            [SeenServer(THEM, LONG_AGO, SILENT_SECONDS + 1)],
            [],
            id="one that has been silent for long",
        ),
    ],
)
def test_the_others_of_a_directory(
    directory: str | None, seen: list[SeenServer], others: list[Server]
) -> None:
    assert list(others_of_directory(directory, seen)) == others


def test_statements_quote_what_they_are_given() -> None:
    server = Server("p", "d", "it's \\ here:8000", "worker", "c")
    statement = beat_statement("a`b", server)
    assert statement.startswith("INSERT INTO `a\\`b`.`sluice_servers` ")
    assert statement.endswith("SELECT now(), 'p', 'd', 'it\\'s \\\\ here:8000', 'worker', 'c'")
    assert "`a\\`b`.`sluice_servers`" in create_statement("a`b")
    assert "`a\\`b`.`sluice_servers`" in select_statement("a`b")


def test_the_table_forgets() -> None:
    assert "TTL at + INTERVAL 1 DAY" in create_statement("db")


def test_rows_are_read() -> None:
    rows = [["p2", "d2", "two:8000", "all", "", "500", "-1"]]
    assert seen_servers(rows) == (SeenServer(THEM, 500, -1),)
