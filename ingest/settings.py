"""The settings: environment variables, or a `.env` file (the environment wins)."""

import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingest.setting_types import (
    LOWER,
    MIN_SECRET_LENGTH,
    MIN_TOKEN_LENGTH,
    TOPIC_NAME,
    TOPIC_PREFIX,
    UPPER,
    BearerToken,
    Certificate,
    ClusterSecret,
    HttpUrl,
    KafkaBrokers,
    KafkaOptions,
    KafkaUrl,
    PrivateKey,
    SitesPlace,
    StoreUrl,
    TrustedPeers,
)

DOTENV: Final = Path(".env")

_PREFIX: Final = "SLUICE_"
_SECRETS: Final = frozenset(
    {
        "SLUICE_ADMIN_TOKEN",
        "SLUICE_CLUSTER_SECRET",
        "SLUICE_KAFKA_OPTIONS",
        "SLUICE_SITES",
        "CLICKHOUSE_URL",
        "KAFKA_URL",
        "KAFKA_BROKERS",
        "KAFKA_TRUSTED_CERT",
        "KAFKA_CLIENT_CERT",
        "KAFKA_CLIENT_CERT_KEY",
        "KAFKA_SASL_PASSWORD",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    }
)
"""Variables whose values no error shows; a URL may contain a password."""


class SettingsError(ValueError):
    """Settings cannot be used. The text has one line per mistake and shows no secret."""


def _setting(
    name: str,
    default: object,
    meaning: str,
    expected: str,
    *,
    older_name: str | None = None,
    **limits: Any,
) -> Any:
    """Define a variable with its documentation and its error message.

    An older name still works; if both are set, the new name wins.
    """
    return Field(
        default,
        validation_alias=name if older_name is None else AliasChoices(name, older_name),
        description=meaning,
        json_schema_extra={"expected": expected},
        **limits,
    )


class Settings(BaseSettings):
    """All settings, validated; read with `read_settings`.

    Attributes are named after the variables, in lower case and without `SLUICE_`.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True,
        env_ignore_empty=True,
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
    )

    port: int = _setting(
        "PORT",
        8000,
        "TCP port to listen on; 0: any free port",
        "a whole number from 0 to 65535",
        ge=0,
        le=65_535,
    )
    host: Annotated[str, AfterValidator(str.strip)] = _setting(
        "HOST",
        "0.0.0.0",  # noqa: S104 - it is a server, and containers need it
        "address to listen on",
        "an address or a host name",
        pattern=r"\S",
    )
    clickhouse_url: StoreUrl = _setting(
        "CLICKHOUSE_URL",
        "chdb://var/chdb",
        "where rows are stored: chdb://PATH is embedded, clickhouse://user:pass@host:9000/database "
        "a server over native TCP (clickhouses:// with TLS)",
        "chdb://PATH or clickhouse://user:pass@host:9000/database",
    )
    sites: SitesPlace = _setting(
        "SLUICE_SITES",
        Path("config/sites.toml"),
        "the sites file, reloaded when it changes; or postgres://user:pass@host:5432/database: "
        "Plausible's PostgreSQL, whose sites and salts are followed",
        "a path, or postgres://user:pass@host:5432/database",
    )
    local_sites: Path | None = _setting(
        "SLUICE_LOCAL_SITES",
        None,
        "with SLUICE_SITES=postgres://…: a sites file with what Plausible does not have, such as "
        "server_key and exchange_rates, for sites of the same domain; reloaded when it changes",
        "a path",
    )
    state_dir: Path = _setting(
        "SLUICE_STATE_DIR",
        Path("var"),
        "directory for salts, journal, checkpoint, dead letters and imports",
        "a path",
    )
    geoip_database: Path | None = _setting(
        "SLUICE_GEOIP_DATABASE",
        None,
        "City or Country file in MaxMind's format, reloaded when replaced; unset: no locations",
        "a path",
    )
    flush_rows: int = _setting(
        "SLUICE_FLUSH_ROWS",
        10_000,
        "events after which a batch is written",
        "a whole number from 1 to 1000000",
        ge=1,
        le=1_000_000,
    )
    flush_seconds: float = _setting(
        "SLUICE_FLUSH_SECONDS",
        5.0,
        "seconds after which a batch is written, even with few rows",
        "a number of seconds greater than 0",
        gt=0,
        allow_inf_nan=False,
    )
    session_minutes: int = _setting(
        "SLUICE_SESSION_MINUTES",
        30,
        "minutes without events after which a visit ends",
        "a whole number of minutes from 1 to 1440",
        ge=1,
        le=1_440,
    )
    trusted_proxies: TrustedPeers = _setting(
        "SLUICE_TRUSTED_PROXIES",
        "private",
        "peers whose forwarded-for and IP-type headers are trusted: all, private (loopback and "
        "private peers), or networks in CIDR form; with networks, the right-most address outside "
        "of them is the visitor's",
        "all, private, or networks in CIDR form separated by commas",
    )
    flood_requests_per_minute: int = _setting(
        "SLUICE_FLOOD_REQUESTS_PER_MINUTE",
        0,
        "events that one address (IPv6: one /64) may send in a minute; further ones are answered "
        "with 429; 0: no limit",
        "a whole number, 0 or greater",
        ge=0,
    )
    past_days: int = _setting(
        "SLUICE_PAST_DAYS",
        400,
        "maximum age in days of a past event that a site's server sends with its timestamp",
        "a whole number of days from 0 to 10000",
        ge=0,
        le=10_000,
    )
    fast_path: Annotated[Literal["on", "off"], LOWER] = _setting(
        "SLUICE_FAST_PATH",
        "on",
        "on: plain event requests are read without hypercorn and Quart, several times as fast; "
        "off: all requests go through both",
        "on or off",
        older_name="SLUICE_FAST_DOOR",
    )
    durability: Annotated[Literal["journal", "memory"], LOWER] = _setting(
        "SLUICE_DURABILITY",
        "journal",
        "journal: an event is on disk before it is answered, and survives kill -9; memory: an "
        "event is only in memory until it is stored",
        "journal or memory",
    )
    journal_fsync: Annotated[Literal["always", "interval", "never"], LOWER] = _setting(
        "SLUICE_JOURNAL_FSYNC",
        "interval",
        "when the journal is synced, against power failures: always: before each answer; "
        "interval: each second; never: when the operating system decides",
        "always, interval or never",
    )
    journal_megabytes: int = _setting(
        "SLUICE_JOURNAL_MEGABYTES",
        1024,
        "size of the journal beyond which events are answered with 503, in units of 1,000,000 "
        "bytes; a million events take about 500",
        "a whole number from 1 to 1000000",
        ge=1,
        le=1_000_000,
    )
    admin_token: BearerToken | None = _setting(
        "SLUICE_ADMIN_TOKEN",
        None,
        "bearer token for all but the event endpoint and health; unset: loopback only",
        f"at least {MIN_TOKEN_LENGTH} ASCII characters without spaces",
    )
    unknown_sites: Annotated[Literal["drop", "accept"], LOWER] = _setting(
        "SLUICE_UNKNOWN_SITES",
        "drop",
        "events of domains that are not registered: drop, or accept with an id derived from the "
        "domain",
        "drop or accept",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"], LOWER] = (
        _setting(
            "SLUICE_LOG_LEVEL",
            "info",
            "lowest level that is logged",
            "debug, info, warning, error or critical",
        )
    )
    log_format: Annotated[Literal["console", "json"], LOWER] = _setting(
        "SLUICE_LOG_FORMAT",
        "console",
        "console for people, json for machines (one object a line); both on standard error",
        "console or json",
    )
    access_log: Annotated[Literal["off", "errors", "all"], LOWER] = _setting(
        "SLUICE_ACCESS_LOG",
        "off",
        "a line in the log for each request, without address and user agent: off, errors (those "
        "answered with 4xx or 5xx) or all",
        "off, errors or all",
    )
    otlp_endpoint: HttpUrl | None = _setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        None,
        "where OpenTelemetry traces are sent, by OTLP over HTTP, such as http://localhost:4318; "
        "unset: no traces; needs the extra `telemetry`",
        "a URL that begins with http:// or https://",
    )
    trace_requests: float = _setting(
        "SLUICE_TRACE_REQUESTS",
        0.01,
        "share of the requests that are traced, unless a trusted proxy's traceparent decides; "
        "inserts and restarts of actors are always traced",
        "a number from 0 to 1",
        ge=0,
        le=1,
        allow_inf_nan=False,
    )
    shutdown_seconds: float = _setting(
        "SLUICE_SHUTDOWN_SECONDS",
        25.0,
        "seconds a shutdown may take; less than the process manager waits before it kills",
        "a number of seconds greater than 0",
        gt=0,
        allow_inf_nan=False,
    )
    kafka_url: KafkaUrl | None = _setting(
        "KAFKA_URL",
        None,
        "the brokers of a cluster: kafka://host:port,…; or kafka+ssl://host:port,… as Heroku "
        "gives it, which means TLS without verification of host names",
        "kafka://host:port,… or kafka+ssl://host:port,…, without user and password",
    )
    kafka_brokers: KafkaBrokers | None = _setting(
        "KAFKA_BROKERS",
        None,
        "the brokers of a cluster, instead of KAFKA_URL",
        "host:port,…",
    )
    kafka_prefix: str = _setting(
        "KAFKA_PREFIX",
        "",
        "text before the names of topics and of the group, with its separator",
        "at most 200 letters, digits, dots, hyphens and underscores",
        pattern=TOPIC_PREFIX,
    )
    kafka_security_protocol: (
        Annotated[Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"], LOWER] | None
    ) = _setting(
        "KAFKA_SECURITY_PROTOCOL",
        None,
        "how the brokers are spoken to; unset: ssl with a certificate or kafka+ssl://, else "
        "plaintext; with sasl_ before it if KAFKA_SASL_MECHANISM is set",
        "plaintext, ssl, sasl_plaintext or sasl_ssl",
    )
    kafka_trusted_cert: Certificate | None = _setting(
        "KAFKA_TRUSTED_CERT",
        None,
        "certificates of the authorities that sign the brokers' certificates, as PEM text; unset: "
        "those of the system",
        "PEM text that begins with -----BEGIN CERTIFICATE-----",
    )
    kafka_client_cert: Certificate | None = _setting(
        "KAFKA_CLIENT_CERT",
        None,
        "our certificate, as PEM text, if the brokers ask for one",
        "PEM text that begins with -----BEGIN CERTIFICATE-----",
    )
    kafka_client_cert_key: PrivateKey | None = _setting(
        "KAFKA_CLIENT_CERT_KEY",
        None,
        "the private key of KAFKA_CLIENT_CERT, as PEM text",
        "PEM text that begins with -----BEGIN PRIVATE KEY----- or alike",
    )
    kafka_sasl_mechanism: (
        Annotated[
            Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"],
            UPPER,
        ]
        | None
    ) = _setting(
        "KAFKA_SASL_MECHANISM",
        None,
        "how a user is authenticated by the brokers; unset: no user",
        "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
    )
    kafka_sasl_username: str | None = _setting(
        "KAFKA_SASL_USERNAME", None, "name of the user", "a name"
    )
    kafka_sasl_password: SecretStr | None = _setting(
        "KAFKA_SASL_PASSWORD", None, "password of the user", "a password"
    )
    kafka_options: KafkaOptions | None = _setting(
        "SLUICE_KAFKA_OPTIONS",
        None,
        "further options of librdkafka; they win over those of Sluice",
        "name=value,… with names in lower case, each once",
    )
    cluster_secret: ClusterSecret | None = _setting(
        "SLUICE_CLUSTER_SECRET",
        None,
        "assigns visitors to partitions; the same random text on all fronts of a cluster",
        f"at least {MIN_SECRET_LENGTH} ASCII characters",
    )
    ack: Annotated[Literal["engine", "journal"], LOWER] = _setting(
        "SLUICE_ACK",
        "engine",
        "what an answer of a front waits for: engine: that disk and Kafka have the event; "
        "journal: that the disk has it",
        "engine or journal",
    )
    ack_outage: Annotated[Literal["journal", "refuse"], LOWER] = _setting(
        "SLUICE_ACK_OUTAGE",
        "journal",
        "what a front does when Kafka has not answered for 2 s: journal: it answers when the disk "
        "has the event; refuse: it answers with 503, for hosts whose disk does not last",
        "journal or refuse",
    )
    old_events: Annotated[Literal["hold", "send", "drop"], LOWER] = _setting(
        "SLUICE_OLD_EVENTS",
        "hold",
        "what a front does, for one start, with events that have waited for Kafka for 6 days: "
        "hold: it stops before them; send: it sends them, and those that Kafka has already may be "
        "stored twice; drop: it passes over them",
        "hold, send or drop",
    )
    worker_id: str | None = _setting(
        "SLUICE_WORKER_ID",
        None,
        "name of a worker that keeps its partitions over a short restart; another for each worker",
        "1 to 200 letters, digits, dots, hyphens and underscores",
        pattern=TOPIC_NAME,
    )


def read_settings(dotenv: Path | None = DOTENV) -> Settings:
    """Read the environment, and a `.env` file if there is one. Empty variables count as unset.

    Raises:
        SettingsError: Lists all mistakes.
    """
    try:
        return Settings(_env_file=dotenv)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(error))) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{dotenv}: expected UTF-8 text") from None
    except OSError as error:
        raise SettingsError(f"{dotenv}: cannot be read: {error.strerror}") from None


def unknown_variables(dotenv: Path | None = DOTENV) -> tuple[str, ...]:
    """Return a warning for each variable that looks like a misspelt setting.

    Call it after `read_settings`, which reports an unreadable `.env` file.
    """
    known = [name for field in Settings.model_fields.values() for name in setting_names(field)]
    found = {**(dotenv_values(dotenv) if dotenv is not None else {}), **os.environ}
    return tuple(
        f"{name}: unknown setting, ignored{_suggestion(name, known)}"
        for name in sorted(found)
        if name.upper().startswith(_PREFIX) and name not in known
    )


def setting_names(field: FieldInfo) -> tuple[str, ...]:
    """Return the variables of a setting: its name, then older names."""
    alias = field.validation_alias
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (str(alias),)


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.upper(), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _explain(error: ValidationError) -> Iterator[str]:
    fields = {setting_names(field)[0]: field for field in Settings.model_fields.values()}
    for details in error.errors(include_url=False):
        name = str(details["loc"][0])
        got = "" if name in _SECRETS else f", got {str(details['input'])[:60]!r}"
        names = " or ".join(setting_names(fields[name]))
        yield f"{names}: expected {_expectation(fields[name])}{got}"


def _expectation(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra["expected"]) if isinstance(extra, dict) else ""
