import pytest

from ingest.setting_display import HIDDEN, describe_settings, shown_settings
from ingest.settings import Settings, read_settings

pytestmark = pytest.mark.usefixtures("no_settings")

CONTRACT = {
    "PORT": "8000",
    "HOST": "0.0.0.0",
    "CLICKHOUSE_URL": "chdb://var/chdb",
    "SLUICE_SITES": "config/sites.toml",
    "SLUICE_LOCAL_SITES": "unset",
    "SLUICE_STATE_DIR": "var",
    "SLUICE_GEOIP_DATABASE": "unset",
    "SLUICE_FLUSH_ROWS": "10000",
    "SLUICE_FLUSH_SECONDS": "5",
    "SLUICE_SESSION_MINUTES": "30",
    "SLUICE_TRUSTED_PROXIES": "private",
    "SLUICE_FLOOD_REQUESTS_PER_MINUTE": "0",
    "SLUICE_FAST_PATH": "on",
    "SLUICE_PAST_DAYS": "400",
    "SLUICE_DURABILITY": "journal",
    "SLUICE_JOURNAL_FSYNC": "interval",
    "SLUICE_JOURNAL_MEGABYTES": "1024",
    "SLUICE_ADMIN_TOKEN": "unset",
    "SLUICE_UNKNOWN_SITES": "drop",
    "SLUICE_LOG_LEVEL": "info",
    "SLUICE_LOG_FORMAT": "console",
    "SLUICE_ACCESS_LOG": "off",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "unset",
    "SLUICE_TRACE_REQUESTS": "0.01",
    "SLUICE_SHUTDOWN_SECONDS": "25",
    "KAFKA_URL": "unset",
    "KAFKA_BROKERS": "unset",
    "KAFKA_PREFIX": "unset",
    "KAFKA_SECURITY_PROTOCOL": "unset",
    "KAFKA_TRUSTED_CERT": "unset",
    "KAFKA_CLIENT_CERT": "unset",
    "KAFKA_CLIENT_CERT_KEY": "unset",
    "KAFKA_SASL_MECHANISM": "unset",
    "KAFKA_SASL_USERNAME": "unset",
    "KAFKA_SASL_PASSWORD": "unset",
    "SLUICE_KAFKA_OPTIONS": "unset",
    "SLUICE_CLUSTER_SECRET": "unset",
    "SLUICE_ACK": "engine",
    "SLUICE_ACK_OUTAGE": "journal",
    "SLUICE_OLD_EVENTS": "hold",
    "SLUICE_WORKER_ID": "unset",
}

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\n"


def read(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return read_settings(dotenv=None)


def shown(monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, str]:
    return {
        setting.name: setting.value for setting in shown_settings(read(monkeypatch, **environment))
    }


def test_the_settings_are_those_of_the_contract() -> None:
    assert {found.name: found.default for found in describe_settings()} == CONTRACT
    assert all(found.meaning for found in describe_settings())


def test_what_is_shown_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch) == CONTRACT
    found = shown_settings(read(monkeypatch, SLUICE_FLUSH_ROWS="7", SLUICE_FLUSH_SECONDS="0.5"))
    given = {setting.name: setting.value for setting in found if setting.given}
    assert given == {"SLUICE_FLUSH_ROWS": "7", "SLUICE_FLUSH_SECONDS": "0.5"}
    assert all(setting.meaning for setting in found)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("chdb://var/chdb", "chdb://var/chdb"),
        ("clickhouse://host:9000/db", "clickhouse://host:9000/db"),
        ("clickhouse://me@host/db", "clickhouse://me@host/db"),
        ("clickhouse://me:secret@host/db", f"clickhouse://me:{HIDDEN}@host/db"),
        ("clickhouse://:secret@host/db", f"clickhouse://:{HIDDEN}@host/db"),
        ("clickhouse://me:se:cr@et@host/db", f"clickhouse://me:{HIDDEN}@host/db"),
        ("clickhouse://me:secret@host/db?a=b@c", f"clickhouse://me:{HIDDEN}@c"),
        (
            "clickhouses://me@host/db?verify=no&password=secret&x=1",
            f"clickhouses://me@host/db?verify=no&password={HIDDEN}&x=1",
        ),
    ],
)
def test_passwords_are_not_shown(monkeypatch: pytest.MonkeyPatch, url: str, expected: str) -> None:
    assert shown(monkeypatch, CLICKHOUSE_URL=url)["CLICKHOUSE_URL"] == expected


def test_the_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch)["SLUICE_ADMIN_TOKEN"] == "unset"
    found = shown(monkeypatch, SLUICE_ADMIN_TOKEN="a-long-enough-token")
    assert found["SLUICE_ADMIN_TOKEN"] == HIDDEN
    assert "a-long-enough-token" not in str(found)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("KAFKA_TRUSTED_CERT", CERTIFICATE),
        ("KAFKA_CLIENT_CERT", CERTIFICATE),
        ("KAFKA_CLIENT_CERT_KEY", KEY),
        ("KAFKA_SASL_PASSWORD", "hunter2"),
        ("SLUICE_KAFKA_OPTIONS", "ssl.key.password=hunter2"),
        ("SLUICE_CLUSTER_SECRET", "hunter2-" * 4),
    ],
)
def test_secrets_of_a_cluster_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    settings = read(monkeypatch, **{name: text})

    assert {shown.name: shown.value for shown in shown_settings(settings)}[name] == HIDDEN
    assert "hunter2" not in repr(settings)
