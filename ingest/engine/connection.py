"""Settings as options of the Kafka clients (librdkafka).

Each function returns the options of one kind of client. `SLUICE_KAFKA_OPTIONS` wins over them, but
cannot change what keeps events from being lost or doubled.
"""

from collections.abc import Iterator
from typing import Final

from pydantic import SecretStr

from ingest.engine.kafka_address import KafkaAddress, parse_kafka_url, parse_options
from ingest.settings import Settings, SettingsError

Options = dict[str, str | int | bool]

MESSAGE_MAX_BYTES: Final = 4_000_000
"""Maximum size of a message, for producers and topics. It must be above the size of any event that
a client can send, which is about 2,000,000 bytes: a front stops at a message that is refused."""

LINGER_MILLISECONDS: Final = 1
"""How long the client waits for further messages. The forwarder has gathered events before."""

SESSION_MILLISECONDS: Final = 15_000
"""How long a worker may be silent before its partitions go to others."""

_HOST_NAMES: Final = "ssl.endpoint.identification.algorithm"

_FIXED: Final = frozenset(
    {
        "acks",
        "request.required.acks",
        "enable.idempotence",
        "enable.gapless.guarantee",
        "transactional.id",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "partition.assignment.strategy",
        "enable.auto.commit",
        "auto.commit.enable",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "message.timeout.ms",
        "delivery.timeout.ms",
        "allow.auto.create.topics",
    }
)
"""Options on which the protocol between fronts and workers depends, with their other names."""


def producer_options(settings: Settings) -> Options:
    """The options of a front's or worker's producer.

    Raises:
        SettingsError: Settings contradict each other or are missing, like for all of these.
    """
    return _options(
        settings,
        {
            "acks": "all",
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,
            # Never: the guarantee does not cover messages that time out, and those behind them
            # would be sent. Workers would then take no resend of what timed out.
            "message.timeout.ms": 0,
            "message.max.bytes": MESSAGE_MAX_BYTES,
            "linger.ms": LINGER_MILLISECONDS,
            "compression.type": "lz4",
            "queue.buffering.max.kbytes": 65_536,
        },
    )


def group_consumer_options(settings: Settings) -> Options:
    """The options of a worker's consumer, which owns partitions of the events topic."""
    static: Options = {}
    if settings.worker_id is not None:
        static["group.instance.id"] = settings.worker_id
    return _options(
        settings,
        {
            **_READING,
            **static,
            "group.id": f"{settings.kafka_prefix}sluice-workers",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": SESSION_MILLISECONDS,
            "max.poll.interval.ms": 120_000,
        },
    )


def consumer_options(settings: Settings) -> Options:
    """The options of a consumer that is given its partitions and commits nothing."""
    return _options(
        settings,
        {
            **_READING,
            # The client demands a group; nothing is committed for it.
            "group.id": f"{settings.kafka_prefix}sluice-readers",
            "enable.partition.eof": True,
        },
    )


def admin_options(settings: Settings) -> Options:
    """The options of the client that makes and inspects topics."""
    return _options(settings, {})


_READING: Final[Options] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "check.crcs": True,
    "queued.max.messages.kbytes": 32_768,
}


def session_milliseconds(settings: Settings) -> int:
    """The session timeout of the workers' group: the operator's, or ours.

    Raises:
        ValueError: The operator's is no number, as `connection_problems` says.
    """
    return int(_own_options(settings).get("session.timeout.ms", SESSION_MILLISECONDS))


def connection_problems(settings: Settings) -> list[str]:
    """What keeps the settings from being used for a connection; each text names its variable."""
    return [*_address_problems(settings), *_user_problems(settings), *_option_problems(settings)]


def connection_notes(settings: Settings) -> list[str]:
    """What an operator should know of the connection."""
    address = _address(settings)
    if address is None or not address.tls or _HOST_NAMES in _own_options(settings):
        return []
    return [
        "KAFKA_URL is of Heroku's form: the host names of the brokers are not verified, only "
        "that KAFKA_TRUSTED_CERT signed their certificates"
    ]


def _options(settings: Settings, own: Options) -> Options:
    problems = connection_problems(settings)
    address = _address(settings)
    if problems or address is None:
        raise SettingsError("\n".join(problems or [_NO_ADDRESS]))
    options: Options = {
        "bootstrap.servers": address.servers,
        "client.id": "sluice",
        "security.protocol": _protocol(settings, address),
        "socket.keepalive.enable": True,
        "log.connection.close": False,
    }
    if address.tls:
        options[_HOST_NAMES] = "none"
    for name, value in (
        ("ssl.ca.pem", _hidden(settings.kafka_trusted_cert)),
        ("ssl.certificate.pem", _hidden(settings.kafka_client_cert)),
        ("ssl.key.pem", _hidden(settings.kafka_client_cert_key)),
        ("sasl.mechanism", settings.kafka_sasl_mechanism),
        ("sasl.username", settings.kafka_sasl_username),
        ("sasl.password", _hidden(settings.kafka_sasl_password)),
    ):
        if value:
            options[name] = value
    return options | own | _own_options(settings)


def _own_options(settings: Settings) -> dict[str, str]:
    """The operator's own options."""
    text = _hidden(settings.kafka_options)
    return parse_options(text) if text else {}


_NO_ADDRESS: Final = "KAFKA_URL or KAFKA_BROKERS is needed: the brokers of the cluster"


def _address(settings: Settings) -> KafkaAddress | None:
    if settings.kafka_url is not None:
        return parse_kafka_url(settings.kafka_url)
    return None if settings.kafka_brokers is None else KafkaAddress(settings.kafka_brokers)


def _protocol(settings: Settings, address: KafkaAddress) -> str:
    if settings.kafka_security_protocol is not None:
        return settings.kafka_security_protocol
    certificates = settings.kafka_trusted_cert or settings.kafka_client_cert
    protocol = "ssl" if address.tls or certificates is not None else "plaintext"
    return protocol if settings.kafka_sasl_mechanism is None else f"sasl_{protocol}"


def _address_problems(settings: Settings) -> Iterator[str]:
    address = _address(settings)
    if address is None:
        yield _NO_ADDRESS
        return
    if settings.kafka_url is not None and settings.kafka_brokers is not None:
        yield "KAFKA_URL and KAFKA_BROKERS are both set: unset one of them"
    tls = _protocol(settings, address).endswith("ssl")
    if address.tls and not tls:
        yield "KAFKA_SECURITY_PROTOCOL: expected ssl or sasl_ssl, as KAFKA_URL asks for TLS"
    if address.tls and settings.kafka_trusted_cert is None:
        yield "KAFKA_TRUSTED_CERT is needed with a KAFKA_URL of Heroku's form (kafka+ssl://)"
    certificate, key = settings.kafka_client_cert, settings.kafka_client_cert_key
    if (certificate is None) != (key is None):
        missing = "KAFKA_CLIENT_CERT" if certificate is None else "KAFKA_CLIENT_CERT_KEY"
        yield f"{missing} is needed: certificate and key of a client belong together"
    if not tls and not address.tls and (certificate or settings.kafka_trusted_cert):
        yield (
            "KAFKA_SECURITY_PROTOCOL: expected ssl or sasl_ssl, as KAFKA_TRUSTED_CERT or "
            "KAFKA_CLIENT_CERT is set"
        )


def _user_problems(settings: Settings) -> Iterator[str]:
    mechanism, protocol = settings.kafka_sasl_mechanism, settings.kafka_security_protocol
    name, password = settings.kafka_sasl_username, settings.kafka_sasl_password
    if mechanism is None:
        if name is not None or password is not None or (protocol or "").startswith("sasl"):
            yield (
                "KAFKA_SASL_MECHANISM is needed: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
            )
        return
    if protocol is not None and not protocol.startswith("sasl"):
        yield (
            "KAFKA_SECURITY_PROTOCOL: expected sasl_ssl or sasl_plaintext, as "
            "KAFKA_SASL_MECHANISM is set"
        )
    if mechanism != "OAUTHBEARER":
        if name is None:
            yield f"KAFKA_SASL_USERNAME is needed with KAFKA_SASL_MECHANISM={mechanism}"
        if password is None:
            yield f"KAFKA_SASL_PASSWORD is needed with KAFKA_SASL_MECHANISM={mechanism}"


def _option_problems(settings: Settings) -> Iterator[str]:
    for name, value in _own_options(settings).items():
        if name in _FIXED:
            yield f"SLUICE_KAFKA_OPTIONS: {name} cannot be changed, since no event may be lost"
        elif name == "session.timeout.ms" and not value.isdecimal():
            yield f"SLUICE_KAFKA_OPTIONS: {name}: expected a number of milliseconds"


def _hidden(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()
