from pathlib import Path

import pytest
from pydantic import SecretStr

from ingest.setting_display import shown_settings
from ingest.settings import Settings, SettingsError, read_settings, unknown_variables

pytestmark = pytest.mark.usefixtures("no_settings")

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nTUlJ\n-----END RSA PRIVATE KEY-----\n"


def read(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return read_settings(dotenv=None)


def test_defaults() -> None:
    settings = read_settings(dotenv=None)
    assert (settings.port, settings.host) == (8000, "0.0.0.0")
    assert settings.clickhouse_url == "chdb://var/chdb"
    assert (settings.sites, settings.state_dir) == (Path("config/sites.toml"), Path("var"))
    assert (settings.geoip_database, settings.admin_token) == (None, None)
    assert (settings.flush_rows, settings.flush_seconds) == (10_000, 5)
    assert settings.session_minutes == 30
    assert (settings.trusted_proxies, settings.durability) == ("private", "journal")
    assert (settings.unknown_sites, settings.log_level, settings.log_format) == (
        "drop",
        "info",
        "console",
    )
    assert settings.shutdown_seconds == 25


@pytest.mark.parametrize(
    ("name", "text", "attribute", "value"),
    [
        ("PORT", "0", "port", 0),
        ("PORT", "65535", "port", 65_535),
        ("HOST", " :: ", "host", "::"),
        ("CLICKHOUSE_URL", "chdb:///data", "clickhouse_url", "chdb:///data"),
        ("SLUICE_SITES", " postgres://u:p@h/d ", "sites", "postgres://u:p@h/d"),
        ("SLUICE_LOCAL_SITES", "/sites.toml", "local_sites", Path("/sites.toml")),
        ("SLUICE_GEOIP_DATABASE", "/geo.mmdb", "geoip_database", Path("/geo.mmdb")),
        ("SLUICE_GEOIP_DATABASE", "", "geoip_database", None),
        ("SLUICE_FLUSH_ROWS", "1", "flush_rows", 1),
        ("SLUICE_FLUSH_SECONDS", "0.25", "flush_seconds", 0.25),
        ("SLUICE_SESSION_MINUTES", "1440", "session_minutes", 1440),
        ("SLUICE_TRUSTED_PROXIES", "all", "trusted_proxies", "all"),
        ("SLUICE_FLOOD_REQUESTS_PER_MINUTE", "600", "flood_requests_per_minute", 600),
        ("SLUICE_DURABILITY", " Memory", "durability", "memory"),
        ("SLUICE_FAST_PATH", "Off", "fast_path", "off"),
        ("SLUICE_FAST_DOOR", "Off", "fast_path", "off"),
        ("SLUICE_PAST_DAYS", "0", "past_days", 0),
        ("SLUICE_JOURNAL_FSYNC", "ALWAYS", "journal_fsync", "always"),
        ("SLUICE_JOURNAL_MEGABYTES", "20", "journal_megabytes", 20),
        ("SLUICE_UNKNOWN_SITES", "accept", "unknown_sites", "accept"),
        ("SLUICE_LOG_LEVEL", "WARNING", "log_level", "warning"),
        ("SLUICE_LOG_FORMAT", "json", "log_format", "json"),
        ("SLUICE_SHUTDOWN_SECONDS", "8", "shutdown_seconds", 8),
        ("SLUICE_ADMIN_TOKEN", "x" * 16, "admin_token", SecretStr("x" * 16)),
        ("KAFKA_URL", "kafka+ssl://a:1,b:2", "kafka_url", "kafka+ssl://a:1,b:2"),
        ("KAFKA_BROKERS", "a:1, b:2", "kafka_brokers", "a:1,b:2"),
        ("KAFKA_PREFIX", "columbia-1.", "kafka_prefix", "columbia-1."),
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "kafka_security_protocol", "sasl_ssl"),
        ("KAFKA_TRUSTED_CERT", CERTIFICATE, "kafka_trusted_cert", SecretStr(CERTIFICATE)),
        ("KAFKA_CLIENT_CERT", CERTIFICATE, "kafka_client_cert", SecretStr(CERTIFICATE)),
        ("KAFKA_CLIENT_CERT_KEY", KEY, "kafka_client_cert_key", SecretStr(KEY)),
        ("KAFKA_SASL_MECHANISM", "scram-sha-512", "kafka_sasl_mechanism", "SCRAM-SHA-512"),
        ("SLUICE_KAFKA_OPTIONS", "a.b=1,c=2", "kafka_options", SecretStr("a.b=1,c=2")),
        ("SLUICE_CLUSTER_SECRET", "x y" * 11, "cluster_secret", SecretStr("x y" * 11)),
        ("SLUICE_ACK", "Journal", "ack", "journal"),
        ("SLUICE_ACK_OUTAGE", "Refuse", "ack_outage", "refuse"),
        ("SLUICE_OLD_EVENTS", "Send", "old_events", "send"),
        ("SLUICE_WORKER_ID", "worker-1", "worker_id", "worker-1"),
    ],
)
def test_valid_values(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, attribute: str, value: object
) -> None:
    assert getattr(read(monkeypatch, **{name: text}), attribute) == value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("PORT", "http", "a whole number from 0 to 65535, got 'http'"),
        ("PORT", "65536", "a whole number from 0 to 65535, got '65536'"),
        ("PORT", "-1", "a whole number from 0 to 65535, got '-1'"),
        ("HOST", " ", "an address or a host name, got ' '"),
        ("SLUICE_SITES", "mysql://u:qzx@h/d", "a path, or postgres://user:pass@host:5432/database"),
        ("SLUICE_FLOOD_REQUESTS_PER_MINUTE", "-1", "a whole number, 0 or greater, got '-1'"),
        ("SLUICE_FLUSH_ROWS", "0", "a whole number from 1 to 1000000, got '0'"),
        ("SLUICE_FLUSH_ROWS", "1000001", "a whole number from 1 to 1000000, got '1000001'"),
        ("SLUICE_FLUSH_SECONDS", "0", "a number of seconds greater than 0, got '0'"),
        ("SLUICE_FLUSH_SECONDS", "nan", "a number of seconds greater than 0, got 'nan'"),
        ("SLUICE_FLUSH_SECONDS", "inf", "a number of seconds greater than 0, got 'inf'"),
        ("SLUICE_SESSION_MINUTES", "1441", "a whole number of minutes from 1 to 1440, got '1441'"),
        ("SLUICE_DURABILITY", "disk", "journal or memory, got 'disk'"),
        ("SLUICE_FAST_PATH or SLUICE_FAST_DOOR", "no", "on or off, got 'no'"),
        ("SLUICE_JOURNAL_FSYNC", "daily", "always, interval or never, got 'daily'"),
        ("SLUICE_JOURNAL_MEGABYTES", "0", "a whole number from 1 to 1000000, got '0'"),
        ("SLUICE_UNKNOWN_SITES", "yes", "drop or accept, got 'yes'"),
        ("SLUICE_LOG_LEVEL", "loud", "debug, info, warning, error or critical, got 'loud'"),
        ("SLUICE_LOG_FORMAT", "xml", "console or json, got 'xml'"),
        ("SLUICE_SHUTDOWN_SECONDS", "0", "a number of seconds greater than 0, got '0'"),
        (
            "SLUICE_TRUSTED_PROXIES",
            "10.0.0.0/33",
            "all, private, or networks in CIDR form separated by commas, got '10.0.0.0/33'",
        ),
        (
            "KAFKA_PREFIX",
            "a/b",
            "at most 200 letters, digits, dots, hyphens and underscores, got 'a/b'",
        ),
        (
            "KAFKA_SECURITY_PROTOCOL",
            "tls",
            "plaintext, ssl, sasl_plaintext or sasl_ssl, got 'tls'",
        ),
        (
            "KAFKA_SASL_MECHANISM",
            "GSSAPI",
            "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER, got 'GSSAPI'",
        ),
        ("SLUICE_ACK", "none", "engine or journal, got 'none'"),
        ("SLUICE_ACK_OUTAGE", "drop", "journal or refuse, got 'drop'"),
        (
            "SLUICE_WORKER_ID",
            "a b",
            "1 to 200 letters, digits, dots, hyphens and underscores, got 'a b'",
        ),
    ],
)
def test_mistakes_say_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        read(monkeypatch, **dict.fromkeys(name.split(" or "), text))
    assert str(raised.value) == f"{name}: expected {expected}"


@pytest.mark.parametrize(
    ("environment", "dotenv", "expected"),
    [
        ({"SLUICE_FAST_PATH": "on", "SLUICE_FAST_DOOR": "off"}, "", "on"),
        ({"SLUICE_FAST_PATH": "", "SLUICE_FAST_DOOR": "off"}, "", "off"),
        ({"SLUICE_FAST_DOOR": "off"}, "SLUICE_FAST_PATH=on", "off"),
        ({}, "SLUICE_FAST_DOOR=off", "off"),
    ],
)
def test_an_older_name(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environment: dict[str, str],
    dotenv: str,
    expected: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / ".env").write_text(dotenv)
    settings = read_settings(tmp_path / ".env")
    assert settings.fast_path == expected
    shown = {setting.name: setting for setting in shown_settings(settings)}
    assert (shown["SLUICE_FAST_PATH"].value, shown["SLUICE_FAST_PATH"].given) == (expected, True)
    assert unknown_variables(tmp_path / ".env") == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SLUICE_ADMIN_TOKEN", "hunter2"),
        ("CLICKHOUSE_URL", "postgres://u:hunter2@h/d"),
        ("KAFKA_URL", "kafka://u:hunter2@h:9092"),
        ("KAFKA_BROKERS", "u:hunter2@h:9092"),
        ("KAFKA_TRUSTED_CERT", KEY.replace("TUlJ", "hunter2")),
        ("KAFKA_CLIENT_CERT", "-----BEGIN CERTIFICATE----- hunter2"),
        ("KAFKA_CLIENT_CERT_KEY", CERTIFICATE.replace("TUlJ", "hunter2")),
        ("SLUICE_KAFKA_OPTIONS", "ssl.key.password hunter2"),
        ("SLUICE_CLUSTER_SECRET", "hunter2-hunter2-hunter2-hunter2"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://u:hunter2@h"),
    ],
)
def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: expected ") as raised:
        read(monkeypatch, **{name: text})
    assert "hunter2" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_the_token_is_not_shown_by_valid_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "hunter2" not in repr(read(monkeypatch, SLUICE_ADMIN_TOKEN="hunter2-" * 3).admin_token)


def test_all_mistakes_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as raised:
        read(monkeypatch, PORT="x", SLUICE_FLUSH_ROWS="y", SLUICE_DURABILITY="z")
    names = [line.split(":")[0] for line in str(raised.value).splitlines()]
    assert names == ["PORT", "SLUICE_FLUSH_ROWS", "SLUICE_DURABILITY"]


def test_names_are_case_sensitive(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, port="1", sluice_flush_rows="2", flush_rows="3").flush_rows == 10_000
    assert unknown_variables(dotenv=None) == (
        "sluice_flush_rows: unknown setting, ignored; did you mean SLUICE_FLUSH_ROWS?",
    )


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_settings(dotenv=None).port = 1


def test_dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("# comment\nPORT=1234\nSLUICE_FLUSH_ROWS=7\nOTHER=1\nSLUICE_SITE=x\n")
    monkeypatch.setenv("SLUICE_FLUSH_ROWS", "8")
    settings = read_settings(dotenv)
    assert (settings.port, settings.flush_rows) == (1234, 8)
    assert unknown_variables(dotenv) == (
        "SLUICE_SITE: unknown setting, ignored; did you mean SLUICE_SITES?",
    )


def test_a_missing_dotenv_is_none(tmp_path: Path) -> None:
    assert read_settings(tmp_path / ".env").port == 8000
    assert unknown_variables(tmp_path / ".env") == ()


def test_a_dotenv_that_is_not_utf8(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(b"HOST=\xff\n")
    with pytest.raises(SettingsError, match="expected UTF-8 text"):
        read_settings(dotenv)


def test_a_dotenv_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    dotenv = tmp_path / ".env"
    dotenv.touch()
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(SettingsError, match="cannot be read: Permission denied"):
        read_settings(dotenv)


def test_unknown_variables_without_a_close_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_XYZZY_PLUGH", "1")
    assert unknown_variables(dotenv=None) == ("SLUICE_XYZZY_PLUGH: unknown setting, ignored",)
