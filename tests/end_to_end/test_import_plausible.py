"""Import of sites, rules and salts from a real PostgreSQL with Plausible's tables."""

import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from siphashc import siphash

from actors.files.atomic import locked_directory
from ingest.sessions import salts as salt_file
from ingest.sites.site import RateLimit, Site, SiteScript
from ingest.sites.site_file import read_sites
from tests.end_to_end.postgres_server import PASSWORD, USER, PostgresServer, require_postgres
from tests.end_to_end.schema_file import NEWEST, statements
from tests.end_to_end.sluice import CHROME, Sluice
from tests.ingest.commands.command_line import run

SCHEMA = Path(__file__).with_name("plausible_postgres.sql")
TODAY, YESTERDAY = bytes(range(16)), bytes(range(16, 32))

FILE = """\
# Ours.

[[site]]
id = 1  # the first
domain = "one.example"
server_key = "a-secret-of-16-characters"

[site.shields]
ips = [
    "10.0.0.0/8",  # Plausible cannot say this
    "192.0.2.9",
]

# Not in Plausible.
[[site]]
id = 70
domain = "ours.example"
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    require_postgres()
    with PostgresServer() as server:
        yield server


Make = Callable[..., "Plausible"]


class Plausible:
    """Plausible's database, in the version of a month."""

    def __init__(self, server: PostgresServer, name: str, month: str) -> None:
        with server.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        self.connection: psycopg.Connection[Any] = server.connect(name)
        self.url = f"postgres://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/{name}"
        for statement in statements(SCHEMA, month):
            self.run(statement)

    def run(self, sql: str, *parameters: object) -> None:
        self.connection.execute(sql.encode(), parameters or None)

    def site(self, site_id: int, domain: str, **columns: object) -> None:
        columns = {"id": site_id, "domain": domain, **columns}
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        self.run(f"INSERT INTO sites ({names}) VALUES ({marks})", *columns.values())

    def rule(self, kind: str, site_id: int, value: str, action: str | None = None) -> None:
        columns, values = {
            "ip": ("inet", [value]),
            "country": ("country_code", [value]),
            "page": ("page_path, page_path_pattern", [value, f"^{value}$"]),
            "hostname": ("hostname, hostname_pattern", [value, f"^{value}$"]),
        }[kind]
        action = action or ("allow" if kind == "hostname" else "deny")
        marks = ", ".join(["%s"] * (len(values) + 2))
        self.run(
            f"INSERT INTO shield_rules_{kind} (site_id, {columns}, action) VALUES ({marks})",
            site_id,
            *values,
            action,
        )

    def goal(self, site_id: int, event: str, currency: str | None) -> None:
        self.run(
            "INSERT INTO goals (site_id, event_name, currency) VALUES (%s, %s, %s)",
            site_id,
            event,
            currency,
        )

    def script(self, site_id: int, script_id: str, *options: str) -> None:
        names = ", ".join(("id", "site_id", *options))
        values = ", ".join(["%s", "%s", *("true" for _ in options)])
        self.run(
            f"INSERT INTO tracker_script_configuration ({names}) VALUES ({values})",
            script_id,
            site_id,
        )

    def salt(self, key: bytes, created_at: float) -> None:
        self.run(
            "INSERT INTO salts (salt, inserted_at) VALUES (%s, %s)",
            key,
            datetime.fromtimestamp(created_at, UTC).replace(tzinfo=None),
        )


@pytest.fixture
def make(postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Make]:
    made: list[Plausible] = []

    def make(month: str = NEWEST) -> Plausible:
        name = f"{re.sub('[^a-z0-9]', '_', request.node.name)[:50]}_{len(made)}"
        made.append(Plausible(postgres, name, month))
        return made[-1]

    yield make
    for plausible in made:
        plausible.connection.close()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_SITES", "sites.toml")
    monkeypatch.setenv("SLUICE_STATE_DIR", "state")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    path = tmp_path / "sites.toml"
    path.write_text(FILE)
    return path


def full(make: Make) -> Plausible:
    plausible = make()
    plausible.run(
        "INSERT INTO teams (id, name, accept_traffic_until) VALUES (5, 'x', '2099-01-01')"
    )
    plausible.site(1, "one.example", ingest_rate_limit_threshold=1000)
    plausible.site(
        2,
        "two.example",
        domain_changed_from="zwei.example",
        team_id=5,
        ingest_rate_limit_threshold=0,
        ingest_rate_limit_scale_seconds=3600,
    )
    plausible.rule("ip", 1, "192.0.2.1")
    plausible.rule("ip", 1, "2001:db8::1")
    plausible.rule("country", 2, "DE")
    plausible.rule("page", 2, "/admin/**")
    plausible.rule("hostname", 2, "*.two.example")
    plausible.goal(2, "Purchase", "EUR")
    plausible.goal(2, "Signup", None)
    plausible.script(2, "Ab_1-x", "outbound_links", "hash_based_routing")
    return plausible


def test_sites_and_rules(make: Make, file: Path) -> None:
    plausible = full(make)
    result = run("sites", "import-plausible", plausible.url, "--no-salts")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[:-1] == [
        "~ site 1 one.example",
        "    rate limit: none -> 1000 events in 60 s",
        "    ip rules: + 192.0.2.1, + 2001:db8::1, - 192.0.2.9",
        "+ site 2 two.example",
        "    previous domain: none -> zwei.example",
        "    rate limit: none -> 0 events in 3600 s",
        "    accepts traffic until: none -> 2099-01-01",
        "    script: none -> pa-Ab_1-x.js (outbound links, hash based routing)",
        "    country rules: + DE",
        "    page rules: + /admin/**",
        "    hostname rules: + *.two.example",
        "    revenue goals: + Purchase (EUR)",
        "Only in sites.toml, and left as they are: 70 ours.example",
        "Notes:",
        "  exchange_rates has no EUR: amounts in other currencies are stored, but not converted "
        "(Plausible fetches rates each day; the file's are yours to set)",
    ]
    one, ours, two = read_sites(file)
    assert one.shields.ips == ("10.0.0.0/8", "192.0.2.1", "2001:db8::1")
    assert one.server_key == "a-secret-of-16-characters"
    assert ours == Site(70, "ours.example")
    assert (two.id, two.previous_domain, two.rate_limit) == (2, "zwei.example", RateLimit(0, 3600))
    assert str(two.accept_traffic_until) == "2099-01-01"
    assert (two.shields.countries, two.shields.pages) == (("DE",), ("/admin/**",))
    assert two.shields.hostnames == ("*.two.example",)
    assert two.revenue_goals == {"Purchase": "EUR"}
    assert two.script == SiteScript("Ab_1-x", outbound_links=True, hash_based_routing=True)
    for kept in ("id = 1  # the first\n", "# Plausible cannot say this\n", "# Not in Plausible.\n"):
        assert kept in file.read_text()

    once = file.read_text()
    again = run("sites", "import-plausible", plausible.url, "--no-salts")
    assert again.exit_code == 0
    assert again.output.startswith("Sites that are as Plausible has them: 2\n")
    assert file.read_text() == once


def test_a_dry_run_changes_nothing(make: Make, file: Path) -> None:
    plausible = full(make)
    plausible.salt(TODAY, time.time())
    result = run("sites", "import-plausible", plausible.url, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "+ site 2 two.example\n" in result.output
    assert "Salts: Plausible's, for state/salts.json; visitors keep their ids.\n" in result.output
    assert result.output.endswith("A dry run: nothing was changed.\n")
    assert file.read_text() == FILE
    assert not (file.parent / "state").exists()


def test_a_file_that_is_not_there_yet(make: Make, file: Path) -> None:
    file.unlink()
    assert run("sites", "import-plausible", full(make).url, "--no-salts").exit_code == 0
    assert [site.id for site in read_sites(file)] == [1, 2]


def test_what_cannot_be_taken_over_is_said(make: Make, file: Path) -> None:
    plausible = make()
    plausible.site(1, "one.example")
    plausible.site(2, "two, three.example")
    plausible.site(3, "views.example", consolidated=True)
    plausible.rule("country", 1, "XK1")
    plausible.rule("page", 1, "/" + "x" * 250)
    plausible.rule("ip", 1, "192.0.2.1", "allow")
    for number in range(30):
        plausible.rule("ip", 1, f"192.0.2.{100 + number}")
    plausible.rule("hostname", 1, "www.one.example")
    plausible.goal(1, "Gift", "XYZ")
    result = run("sites", "import-plausible", plausible.url, "--no-salts")
    assert result.exit_code == 0, result.output
    _, _, said = result.output.partition("Not taken over:\n")
    assert said.splitlines()[:-1] == [
        "  site 1 one.example: ip rule '192.0.2.1': its action 'allow' does nothing",
        "  site 1 one.example: ip rule '192.0.2.129': there are 30 already",
        "  site 1 one.example: country rule: expected an ISO 3166-1 alpha-2 code, or ZZ for "
        'unknown, got "XK1"',
        '  site 1 one.example: page rule: expected a pattern of at most 250 characters, got "/'
        + "x" * 59
        + '…"',
        '  site 1 one.example: hostname rule: expected the hostname without "www.": '
        '"one.example", got "www.one.example"',
        "  site 1 one.example: hostname rules: none is left, so every hostname is allowed",
        "  site 1 one.example: revenue goal 'Gift': expected an ISO 4217 currency code, got "
        '"XYZ"',
        "  site 2 'two, three.example': expected a domain without commas, white space and control "
        "characters",
        "  site 3 'views.example': it shows other sites together and has no events of its own",
    ]
    assert [site.id for site in read_sites(file)] == [1, 70]


def test_of_goals_for_one_event_the_first_counts(make: Make, file: Path) -> None:
    """The first by id, wherever its row is."""
    plausible = make()
    plausible.site(1, "one.example")
    for currency in (None, "USD", "EUR"):
        plausible.goal(1, "Purchase", currency)
    plausible.run("UPDATE goals SET page_path = NULL WHERE currency = 'USD'")
    result = run("sites", "import-plausible", plausible.url, "--no-salts")
    assert "  site 1 one.example: revenue goal 'Purchase': EUR, beside USD\n" in result.output
    assert read_sites(file).sites[0].revenue_goals == {"Purchase": "USD"}


def test_domains_that_the_file_has_under_other_ids(make: Make, file: Path) -> None:
    plausible = make()
    plausible.site(1, "one.example")
    plausible.site(7, "ours.example")
    plausible.site(8, "eight.example")
    result = run("sites", "import-plausible", plausible.url, "--no-salts")
    assert result.exit_code == 1
    assert (
        "Conflicts:\n  site 7 ours.example: the file has this domain under the id 70; remove or "
        "rename that site and import again\n"
    ) in result.output
    assert [site.id for site in read_sites(file)] == [1, 70, 8]


@pytest.mark.parametrize(
    ("month", "missing"),
    [
        pytest.param(
            "2023-04",
            ["ip", "country", "page", "hostname", "revenue", "ends", "scripts"],
            id="v2.0",
        ),
        pytest.param("2024-04", ["scripts"], id="v2.1"),
        pytest.param("2024-11", ["scripts"], id="v3.0"),
        pytest.param("2025-06", [], id="v3.1"),
    ],
)
def test_versions(make: Make, file: Path, month: str, missing: list[str]) -> None:
    plausible = make(month)
    plausible.site(1, "one.example", ingest_rate_limit_threshold=5)
    if month == "2024-04":
        plausible.run(
            "INSERT INTO users (id, email, accept_traffic_until) VALUES "
            "(1, 'a', '2099-01-01'), (2, 'b', '2098-01-01')"
        )
        plausible.run(
            "INSERT INTO site_memberships (site_id, user_id, role) VALUES "
            "(1, 1, 'owner'), (1, 2, 'viewer')"
        )
    if month > "2024-04":
        plausible.run(
            "INSERT INTO teams (id, name, accept_traffic_until) VALUES (1, 'x', '2099-01-01')"
        )
        plausible.run("UPDATE sites SET team_id = 1")
    result = run("sites", "import-plausible", plausible.url, "--no-salts")
    assert result.exit_code == 0, result.output
    assert result.output.count("not in this database") == len(missing)
    for what in missing:
        assert f"\n  {what} " in result.output
    site, _ = read_sites(file)
    assert site.rate_limit == RateLimit(5, 60)
    assert str(site.accept_traffic_until) == ("None" if month == "2023-04" else "2099-01-01")
    # Settings that an old version does not have stay unchanged.
    kept = ("10.0.0.0/8", "192.0.2.9") if month == "2023-04" else ("10.0.0.0/8",)
    assert site.shields.ips == kept


def test_a_user_that_may_not_read_everything(
    make: Make, file: Path, postgres: PostgresServer
) -> None:
    plausible = full(make)
    plausible.run("DROP ROLE IF EXISTS reader")
    plausible.run("CREATE ROLE reader LOGIN PASSWORD 'reader-secret'")
    plausible.run("GRANT SELECT ON sites, goals TO reader")
    url = plausible.url.replace(f"{USER}:{quote(PASSWORD, safe='')}", "reader:reader-secret")
    result = run("sites", "import-plausible", url)
    assert result.exit_code == 0, result.output
    assert "salts (salts): not in this database, or not for this user to read" in result.output
    assert [site.id for site in read_sites(file)] == [1, 70, 2]


def test_a_database_of_something_else(postgres: PostgresServer, file: Path) -> None:
    url = f"postgres://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{postgres.port}/postgres"
    result = run("sites", "import-plausible", url)
    assert result.exit_code == 1
    assert "there is no table sites with id and domain" in result.output


def test_no_password_is_shown(postgres: PostgresServer, file: Path) -> None:
    encoded = quote(PASSWORD, safe="")
    for url in (
        f"postgres://{USER}:{PASSWORD}@127.0.0.1:{postgres.port}/postgres",
        f"postgres://{USER}:{encoded}@127.0.0.1:{postgres.port}/nowhere",
        f"postgres://nobody:{encoded}@127.0.0.1:{postgres.port}/postgres",
        f"postgres://{USER}:{encoded}@127.0.0.1:1/postgres",
        f"mysql://{USER}:{encoded}@127.0.0.1/postgres",
    ):
        result = run("sites", "import-plausible", url)
        assert result.exit_code == 1, result.output
        assert "qzx" not in result.output


def test_the_password_may_stand_in_the_environment(
    make: Make, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plausible = full(make)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    without = plausible.url.replace(f":{quote(PASSWORD, safe='')}@", "@")
    assert run("sites", "import-plausible", without, "--dry-run").exit_code == 0
    monkeypatch.setenv("DATABASE_URL", plausible.url.replace("postgres://", "ecto://"))
    assert run("sites", "import-plausible", "--dry-run").exit_code == 0
    monkeypatch.delenv("DATABASE_URL")
    result = run("sites", "import-plausible")
    assert result.exit_code == 2
    assert "or DATABASE_URL" in result.output


def test_the_database_is_only_read(make: Make, file: Path) -> None:
    """Test also a read that would write, such as a view that logs its readers."""
    plausible = make()
    plausible.run("ALTER TABLE sites RENAME TO sites_of_today")
    plausible.run("CREATE TABLE readers (at timestamp)")
    plausible.run(
        "CREATE FUNCTION record() RETURNS integer LANGUAGE sql AS "
        "'INSERT INTO readers VALUES (now()) RETURNING 1'"
    )
    plausible.run("CREATE VIEW sites AS SELECT record()::bigint AS id, 'x.example' AS domain")
    result = run("sites", "import-plausible", plausible.url, "--no-salts")
    assert result.exit_code == 1
    assert "read-only transaction" in result.output


def test_salts(make: Make, file: Path) -> None:
    plausible = full(make)
    now = time.time()
    plausible.salt(b"an old one 16 by", now - 3 * 86_400)
    plausible.salt(YESTERDAY, now - 100)
    plausible.salt(TODAY, now - 1)
    result = run("sites", "import-plausible", plausible.url)
    assert result.exit_code == 0, result.output
    path = file.parent / "state" / "salts.json"
    assert path.stat().st_mode & 0o777 == 0o600
    salts = salt_file.parse(path.read_text())
    assert salts.previous is not None
    assert (salts.current.key, salts.previous.key) == (TODAY, YESTERDAY)
    assert abs(salts.current.created_at - (now - 1)) <= 1
    for key in (TODAY, YESTERDAY):
        assert key.hex() not in result.output
    again = run("sites", "import-plausible", plausible.url)
    assert "Salts: Plausible's are in place already.\n" in again.output

    plausible.salt(b"the next of them", now)
    moved = run("sites", "import-plausible", plausible.url)
    assert "visitors keep their ids" in moved.output
    assert salt_file.parse(path.read_text()).current.key == b"the next of them"


def test_salts_of_a_server_that_has_run_stay(make: Make, file: Path) -> None:
    plausible = full(make)
    plausible.salt(TODAY, time.time())
    path = file.parent / "state" / "salts.json"
    path.parent.mkdir()
    ours = salt_file.serialise(salt_file.start(None, b"made by a server", time.time()))
    path.write_text(ours)
    result = run("sites", "import-plausible", plausible.url)
    assert result.exit_code == 0
    assert "Salts: state/salts.json has others, which stay." in result.output
    assert path.read_text() == ours
    path.write_text("{")
    broken = run("sites", "import-plausible", plausible.url)
    assert broken.exit_code == 1
    assert "not JSON; --replace-salts takes Plausible's instead" in broken.output
    assert run("sites", "import-plausible", plausible.url, "--replace-salts").exit_code == 0
    assert salt_file.parse(path.read_text()).current.key == TODAY


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_what_root_writes_belongs_to_the_owner_of_the_directory(make: Make, file: Path) -> None:
    plausible = full(make)
    plausible.salt(TODAY, time.time())
    state = file.parent / "state"
    state.mkdir()
    os.chown(state, 4321, 4321)
    assert run("sites", "import-plausible", plausible.url).exit_code == 0
    assert {(path.name, path.stat().st_uid) for path in state.iterdir()} == {
        ("lock", 4321),
        ("salts.json", 4321),
    }


def test_salts_need_a_stopped_server(make: Make, file: Path) -> None:
    plausible = full(make)
    plausible.salt(TODAY, time.time())
    with locked_directory(file.parent / "state"):
        result = run("sites", "import-plausible", plausible.url)
        assert result.exit_code == 1
        assert "a server uses state: stop it" in result.output
        assert file.read_text() == FILE
        assert run("sites", "import-plausible", plausible.url, "--no-salts").exit_code == 0


def test_visitors_keep_their_ids(make: Make, tmp_path: Path) -> None:
    """Compare the stored row, after an import by the command, with an independent hash."""
    plausible = make()
    plausible.site(42, "kept.example")
    plausible.salt(YESTERDAY, time.time() - 86_400)
    plausible.salt(TODAY, time.time())
    server = Sluice(tmp_path, "chdb://chdb")
    imported = server.command("sites", "import-plausible", plausible.url)
    assert imported.returncode == 0, imported.stderr
    address, host = "198.51.100.7", "www.blog.kept.example"
    with server:
        server.send(
            url=f"https://{host}/",
            domain="kept.example",
            headers={"x-forwarded-for": address},
        )
        (row,) = server.events("site_id = 42")
    message = f"{CHROME}{address}kept.example" + "kept.example"
    assert row["user_id"] == siphash(TODAY, message.encode())


def test_without_psycopg(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    result = run("sites", "import-plausible", "postgres://host/database")
    assert result.exit_code == 1
    assert "needs psycopg: pip install 'sluice-collector[plausible]'" in result.output
