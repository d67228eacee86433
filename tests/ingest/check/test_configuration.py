from pathlib import Path

import pytest

from ingest.check.configuration import check_access, check_proxies, check_settings
from ingest.check.report import CheckResult, Level
from ingest.setting_display import shown_settings
from ingest.settings import Settings, read_settings

pytestmark = pytest.mark.usefixtures("no_settings")


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return read_settings(dotenv=None)


def texts(results: object) -> list[str]:
    assert isinstance(results, list)
    return [result.text for result in results]


def warned(results: list[CheckResult]) -> list[CheckResult]:
    return [result for result in results if result.level is Level.WARNING]


def test_defaults_are_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(check_settings(settings(monkeypatch), ()))
    assert texts(found) == ["all are the defaults; `sluice settings` explains them"]


def test_what_differs_is_named_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(
        check_settings(
            settings(
                monkeypatch,
                PORT="9001",
                CLICKHOUSE_URL="clickhouse://sluice:hunter2@db.example:9000/stats",
                SLUICE_ADMIN_TOKEN="a-very-secret-token",
                SLUICE_FLUSH_SECONDS="0.5",
            ),
            (),
        )
    )
    assert sorted(texts(found)) == [
        "CLICKHOUSE_URL = clickhouse://***@db.example:9000/stats",
        "PORT = 9001",
        "SLUICE_ADMIN_TOKEN = *** (19 characters)",
        "SLUICE_FLUSH_SECONDS = 0.5",
    ]


def test_the_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    without = list(check_settings(settings(monkeypatch), (), file=dotenv))
    dotenv.write_text("")
    with_file = list(check_settings(settings(monkeypatch), (), file=dotenv))
    assert len(with_file) == len(without) + 1
    assert str(dotenv) in with_file[0].text


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"SLUICE_DURABILITY": "memory"}, "kill -9"),
        ({"SLUICE_SHUTDOWN_SECONDS": "30"}, "a shutdown may take 30 s"),
        ({"SLUICE_SHUTDOWN_SECONDS": "29"}, None),
    ],
)
def test_warns(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], text: str | None
) -> None:
    found = warned(list(check_settings(settings(monkeypatch, **environment), ())))
    assert [text in result.text for result in found if text] == ([] if text is None else [True])
    assert all(result.advice for result in found)


def test_warns_of_traces_without_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = settings(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318")
    assert not warned(list(check_settings(asked, ())))
    monkeypatch.setattr("ingest.check.configuration._is_installed", lambda package: False)
    (found,) = warned(list(check_settings(asked, ())))
    assert "sluice-collector[telemetry]" in found.advice


def test_unknown_variables_are_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = ["SLUICE_FLUHS: unknown setting, ignored; did you mean SLUICE_FLUSH_ROWS?"]
    (found,) = warned(list(check_settings(settings(monkeypatch), unknown)))
    assert found.text == "SLUICE_FLUHS is set but unknown"
    assert "SLUICE_FLUSH_ROWS" in found.advice


@pytest.mark.parametrize(
    ("trusted", "level", "says"),
    [
        ("all", Level.WARNING, "the left-most counts"),
        ("private", Level.OK, "the left-most counts"),
        ("10.0.0.0/8, 192.0.2.7", Level.OK, "the right-most counts"),
    ],
)
def test_proxies(monkeypatch: pytest.MonkeyPatch, trusted: str, level: Level, says: str) -> None:
    found = list(check_proxies(settings(monkeypatch, SLUICE_TRUSTED_PROXIES=trusted)))
    assert found[0].level is level
    assert f"SLUICE_TRUSTED_PROXIES={trusted}" in found[0].text
    assert any(says in text for text in texts(found))
    assert any("CF-Connecting-IP, B-Forwarded-For" in text for text in texts(found))


def test_who_sees_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "this machine only" in next(check_access(settings(monkeypatch))).text
    with_token = settings(monkeypatch, SLUICE_ADMIN_TOKEN="a-very-secret-token")
    assert "a-very" not in next(check_access(with_token)).text


def test_a_local_file_beside_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    database = settings(monkeypatch, SLUICE_SITES="postgres://h/d", SLUICE_LOCAL_SITES="l.toml")
    assert warned(list(check_settings(database, ()))) == []
    file = settings(monkeypatch, SLUICE_SITES="sites.toml", SLUICE_LOCAL_SITES="l.toml")
    (found,) = warned(list(check_settings(file, ())))
    assert found.text.startswith("SLUICE_LOCAL_SITES is not read")


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:qzx@h/d",
        "postgres://u:qz@qzx@h/d",
        "postgres://h/d?user=u&password=qzx",
        "ecto://u:qzx@h/d?sslpassword=qzx",
    ],
)
def test_the_password_of_a_database_is_not_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    found = settings(monkeypatch, SLUICE_SITES=url)
    assert "qzx" not in "".join(texts(list(check_settings(found, ()))))
    assert "qzx" not in "".join(shown.value for shown in shown_settings(found))
