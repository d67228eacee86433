import json
import os
from collections.abc import Callable

import pytest

from ingest.engine.connection import (
    MESSAGE_MAX_BYTES,
    Options,
    admin_options,
    connection_notes,
    connection_problems,
    consumer_options,
    group_consumer_options,
    producer_options,
    session_milliseconds,
)
from ingest.enrichment.attribution import attribute
from ingest.records.encoding import TEXT, encode
from ingest.request.parse import parse_request
from ingest.settings import Settings, SettingsError
from tests.examples import an_enriched_event
from tests.ingest.engine.kafka_settings import CERTIFICATE, KEY, settings_of

PLAIN = {"KAFKA_BROKERS": "a:9092,b:9092"}
HEROKU = {
    "KAFKA_URL": "kafka+ssl://a:9096,kafka+ssl://b:9096",
    "KAFKA_TRUSTED_CERT": CERTIFICATE,
    "KAFKA_CLIENT_CERT": CERTIFICATE,
    "KAFKA_CLIENT_CERT_KEY": KEY,
    "KAFKA_PREFIX": "columbia-1.",
}
SASL = PLAIN | {
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
    "KAFKA_SASL_USERNAME": "sluice",
    "KAFKA_SASL_PASSWORD": "s3cret-word",
}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("KAFKA_", "SLUICE_")):
            monkeypatch.delenv(name)


COMMON: Options = {
    "bootstrap.servers": "a:9092,b:9092",
    "client.id": "sluice",
    "security.protocol": "plaintext",
    "socket.keepalive.enable": True,
    "log.connection.close": False,
}
READING: Options = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "check.crcs": True,
    "queued.max.messages.kbytes": 32_768,
}


@pytest.mark.parametrize(
    ("options_of", "own"),
    [
        pytest.param(admin_options, {}, id="admin"),
        pytest.param(
            producer_options,
            {
                "acks": "all",
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                "message.timeout.ms": 0,
                "message.max.bytes": 4_000_000,
                "linger.ms": 1,
                "compression.type": "lz4",
                "queue.buffering.max.kbytes": 65_536,
            },
            id="producer",
        ),
        pytest.param(
            group_consumer_options,
            READING
            | {
                "group.id": "sluice-workers",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 15_000,
                "max.poll.interval.ms": 120_000,
            },
            id="group consumer",
        ),
        pytest.param(
            consumer_options,
            READING | {"group.id": "sluice-readers", "enable.partition.eof": True},
            id="consumer",
        ),
    ],
)
def test_options_of_each_client(options_of: Callable[[Settings], Options], own: Options) -> None:
    assert options_of(settings_of(**PLAIN)) == COMMON | own


@pytest.mark.parametrize("client", ["Producer", "Consumer"])
def test_the_client_knows_all_options(client: str) -> None:
    kafka = pytest.importorskip("confluent_kafka")
    settings = settings_of(**SASL | {"KAFKA_BROKERS": "127.0.0.1:1", "SLUICE_WORKER_ID": "w"})
    if client == "Producer":
        kafka.Producer(producer_options(settings))
    else:
        kafka.Consumer(group_consumer_options(settings)).close()
        kafka.Consumer(consumer_options(settings)).close()


def test_a_worker_with_a_name_is_a_static_member() -> None:
    settings = settings_of(**PLAIN, SLUICE_WORKER_ID="worker-1", KAFKA_PREFIX="x.")

    options = group_consumer_options(settings)

    assert (options["group.id"], options["group.instance.id"]) == ("x.sluice-workers", "worker-1")
    assert "group.instance.id" not in consumer_options(settings)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param(
            HEROKU,
            {
                "bootstrap.servers": "a:9096,b:9096",
                "security.protocol": "ssl",
                "ssl.endpoint.identification.algorithm": "none",
                "ssl.ca.pem": CERTIFICATE,
                "ssl.certificate.pem": CERTIFICATE,
                "ssl.key.pem": KEY,
            },
            id="Heroku",
        ),
        pytest.param(
            PLAIN | {"KAFKA_TRUSTED_CERT": CERTIFICATE},
            {"security.protocol": "ssl", "ssl.ca.pem": CERTIFICATE},
            id="TLS with an authority of one's own verifies host names",
        ),
        pytest.param(
            PLAIN | {"KAFKA_SECURITY_PROTOCOL": "SSL"},
            {"security.protocol": "ssl"},
            id="TLS with the system's authorities",
        ),
        pytest.param(
            SASL,
            {
                "security.protocol": "sasl_plaintext",
                "sasl.mechanism": "SCRAM-SHA-256",
                "sasl.username": "sluice",
                "sasl.password": "s3cret-word",
            },
            id="SASL",
        ),
        pytest.param(
            SASL | {"KAFKA_SECURITY_PROTOCOL": "sasl_ssl"},
            {"security.protocol": "sasl_ssl"},
            id="SASL over TLS",
        ),
        pytest.param(
            SASL | {"KAFKA_TRUSTED_CERT": CERTIFICATE},
            {"security.protocol": "sasl_ssl", "ssl.ca.pem": CERTIFICATE},
            id="SASL over TLS with an authority of one's own",
        ),
        pytest.param(
            PLAIN | {"KAFKA_SASL_MECHANISM": "oauthbearer"},
            {"security.protocol": "sasl_plaintext", "sasl.mechanism": "OAUTHBEARER"},
            id="tokens need no user",
        ),
        pytest.param(
            PLAIN | {"SLUICE_KAFKA_OPTIONS": "client.id=mine,socket.keepalive.enable=false"},
            {"client.id": "mine", "socket.keepalive.enable": "false"},
            id="options of one's own win",
        ),
    ],
)
def test_connections(variables: dict[str, str], expected: Options) -> None:
    options = admin_options(settings_of(**variables))

    assert {name: options[name] for name in expected} == expected
    assert ("ssl.endpoint.identification.algorithm" in options) == ("KAFKA_URL" in variables)


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({}, "KAFKA_URL or KAFKA_BROKERS is needed"),
        (HEROKU | PLAIN, "KAFKA_URL and KAFKA_BROKERS are both set"),
        ({"KAFKA_URL": HEROKU["KAFKA_URL"]}, "KAFKA_TRUSTED_CERT is needed"),
        (
            HEROKU | {"KAFKA_SECURITY_PROTOCOL": "plaintext"},
            "KAFKA_SECURITY_PROTOCOL: expected ssl or sasl_ssl, as KAFKA_URL asks for TLS",
        ),
        (
            PLAIN | {"KAFKA_SECURITY_PROTOCOL": "plaintext", "KAFKA_TRUSTED_CERT": CERTIFICATE},
            "KAFKA_SECURITY_PROTOCOL: expected ssl or sasl_ssl, as KAFKA_TRUSTED_CERT",
        ),
        (PLAIN | {"KAFKA_CLIENT_CERT": CERTIFICATE}, "KAFKA_CLIENT_CERT_KEY is needed"),
        (PLAIN | {"KAFKA_CLIENT_CERT_KEY": KEY}, "KAFKA_CLIENT_CERT is needed"),
        (PLAIN | {"KAFKA_SASL_USERNAME": "u"}, "KAFKA_SASL_MECHANISM is needed"),
        (PLAIN | {"KAFKA_SASL_PASSWORD": "p"}, "KAFKA_SASL_MECHANISM is needed"),
        (PLAIN | {"KAFKA_SECURITY_PROTOCOL": "sasl_ssl"}, "KAFKA_SASL_MECHANISM is needed"),
        (
            PLAIN | {"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "u"},
            "KAFKA_SASL_PASSWORD is needed with KAFKA_SASL_MECHANISM=PLAIN",
        ),
        (
            PLAIN | {"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_PASSWORD": "p"},
            "KAFKA_SASL_USERNAME is needed with KAFKA_SASL_MECHANISM=PLAIN",
        ),
        (
            SASL | {"KAFKA_SECURITY_PROTOCOL": "ssl"},
            "KAFKA_SECURITY_PROTOCOL: expected sasl_ssl or sasl_plaintext",
        ),
        (
            PLAIN | {"SLUICE_KAFKA_OPTIONS": "acks=1"},
            "SLUICE_KAFKA_OPTIONS: acks cannot be changed",
        ),
        (
            PLAIN | {"SLUICE_KAFKA_OPTIONS": "linger.ms=50,message.timeout.ms=3600000"},
            "SLUICE_KAFKA_OPTIONS: message.timeout.ms cannot be changed",
        ),
        (
            PLAIN | {"SLUICE_KAFKA_OPTIONS": "session.timeout.ms=30s"},
            "SLUICE_KAFKA_OPTIONS: session.timeout.ms: expected a number of milliseconds",
        ),
    ],
)
def test_problems(variables: dict[str, str], problem: str) -> None:
    settings = settings_of(**variables)

    (found,) = connection_problems(settings)

    assert found.startswith(problem)
    with pytest.raises(SettingsError, match=problem.split(":")[0]):
        producer_options(settings)


@pytest.mark.parametrize("variables", [PLAIN, SASL, HEROKU])
def test_no_problems(variables: dict[str, str]) -> None:
    assert connection_problems(settings_of(**variables)) == []


@pytest.mark.parametrize(
    ("variables", "notes"),
    [
        ({}, 0),
        (PLAIN, 0),
        (HEROKU, 1),
        (HEROKU | {"SLUICE_KAFKA_OPTIONS": "ssl.endpoint.identification.algorithm=https"}, 0),
    ],
)
def test_says_that_host_names_are_not_verified(variables: dict[str, str], notes: int) -> None:
    assert len(connection_notes(settings_of(**variables))) == notes


@pytest.mark.parametrize(
    ("options", "milliseconds"),
    [("linger.ms=5", 15_000), ("session.timeout.ms=30000", 30_000)],
)
def test_the_session_timeout(options: str, milliseconds: int) -> None:
    settings = settings_of(**PLAIN, SLUICE_KAFKA_OPTIONS=options)

    assert session_milliseconds(settings) == milliseconds
    assert int(group_consumer_options(settings)["session.timeout.ms"]) == milliseconds


def test_no_event_of_a_client_is_too_large_for_a_message() -> None:
    # As JSON, each of these characters takes 12 bytes, and each control character takes 6.
    cluster = "a" + "\U0001d165" * 31
    document = {
        "n": cluster * 120,
        "u": "https://example.com/" + "%FF" * 600,
        "d": "example.com",
        "r": f"https://{cluster * 3000}/{cluster * 3000}",
        "p": {f"{number:0300}": "\1" * 2000 for number in range(30)},
    }
    body = json.dumps(document, ensure_ascii=False).encode()
    request = parse_request(
        "application/json", body, timestamp=0, client_ip="", user_agent=None, ip_type=None
    )
    event = an_enriched_event(
        name=request.name,
        pathname=request.pathname,
        props=request.props,
        attribution=attribute(request.referrer, request.hostname, request.query),
    )

    form, content = encode(event)

    assert form == TEXT
    assert 1_500_000 < len(content) < MESSAGE_MAX_BYTES / 1.5
