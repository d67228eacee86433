"""The texts are those of the client on real brokers."""

from typing import Final

import pytest

from ingest.engine.connection import Options
from ingest.engine.connection_failure import explain_failure

PLAIN: Final[Options] = {"security.protocol": "plaintext"}
TLS: Final[Options] = {"security.protocol": "ssl"}
TLS_CERTIFICATE: Final[Options] = {"security.protocol": "ssl", "ssl.certificate.pem": "x"}
SASL: Final[Options] = {"security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN"}
ALERT: Final = (
    "_TRANSPORT: ssl://127.0.0.1:20891/bootstrap: Receive failed: error:0A000412:SSL routines::"
    "ssl/tls alert bad certificate: SSL alert number 42 (after 19ms in state APIVERSION_QUERY)"
)


@pytest.mark.parametrize(
    ("name", "text", "options", "said", "advised"),
    [
        (
            "_AUTHENTICATION",
            "_AUTHENTICATION: sasl_ssl://127.0.0.1:10621/bootstrap: SASL authentication error: "
            "Authentication failed during authentication due to invalid credentials with SASL "
            "mechanism SCRAM-SHA-256 (after 310ms in state AUTH_REQ)",
            SASL,
            "refuse the user or the password",
            "KAFKA_SASL_PASSWORD",
        ),
        (
            "_AUTHENTICATION",
            "_AUTHENTICATION: sasl_ssl://127.0.0.1:10621/bootstrap: SASL PLAIN mechanism handshake "
            "failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: "
            "SCRAM-SHA-256 (after 301ms in state AUTH_HANDSHAKE)",
            SASL,
            "only SCRAM-SHA-256",
            "set it",
        ),
        (
            "_AUTHENTICATION",
            "_AUTHENTICATION: sasl_plaintext://127.0.0.1:20757/bootstrap: SASL SCRAM-SHA-256 "
            "mechanism handshake failed: Broker: Request not valid in current SASL state: broker's "
            "supported mechanisms:  (after 0ms in state AUTH_HANDSHAKE)",
            SASL,
            "127.0.0.1:20757 takes no user",
            "unset KAFKA_SASL_MECHANISM",
        ),
        (
            "_SSL",
            "_SSL: ssl://127.0.0.1:17672/bootstrap: SSL handshake failed: error:0A000086:SSL "
            "routines::certificate verify failed: broker certificate could not be verified, verify "
            "that ssl.ca.location is correctly configured",
            TLS,
            "the certificate of 127.0.0.1:17672 cannot be trusted",
            "KAFKA_TRUSTED_CERT",
        ),
        ("_TRANSPORT", ALERT, TLS, "want a certificate of ours", "set KAFKA_CLIENT_CERT"),
        ("_TRANSPORT", ALERT, TLS_CERTIFICATE, "refuse our certificate", "authority signed"),
        (
            "_ALL_BROKERS_DOWN",
            "_ALL_BROKERS_DOWN: 3/3 brokers are down",
            PLAIN,
            "probably one for TLS",
            "KAFKA_SECURITY_PROTOCOL to ssl",
        ),
        (
            "_BAD_MSG",
            "_BAD_MSG: h:9092/bootstrap: Receive failed: Invalid response size 352518912 (0..1)",
            PLAIN,
            "probably one for TLS",
            "KAFKA_TRUSTED_CERT",
        ),
        (
            "_BAD_MSG",
            "_BAD_MSG: h:9092/bootstrap: Receive failed: Invalid response size 1213486160 (0..1)",
            PLAIN,
            "h:9092 does not answer as a broker does",
            "port",
        ),
        (
            "_TRANSPORT",
            "_TRANSPORT: ssl://127.0.0.1:30677/bootstrap: SSL handshake failed: Disconnected: SSL "
            "connection closed by peer: connecting to a PLAINTEXT broker listener? (after 50ms in "
            "state SSL_HANDSHAKE)",
            TLS,
            "127.0.0.1:30677 does not speak TLS",
            "plaintext",
        ),
        (
            "_TRANSPORT",
            "_TRANSPORT: Failed to get metadata: Local: Broker transport failure",
            TLS,
            "probably want a user",
            "KAFKA_SASL_MECHANISM",
        ),
        (
            "_TRANSPORT",
            "_TRANSPORT: 127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection "
            "refused (after 0ms in state CONNECT)",
            PLAIN,
            "nothing listens at 127.0.0.1:1",
            "brokers run",
        ),
        (
            "_TRANSPORT",
            "_TRANSPORT: 10.0.0.1:9092/bootstrap: Connection setup timed out in state CONNECT "
            "(after 30000ms in state CONNECT)",
            PLAIN,
            "10.0.0.1:9092 cannot be reached",
            "network",
        ),
        (
            "_RESOLVE",
            "_RESOLVE: no.invalid:9092/bootstrap: Failed to resolve 'no.invalid:9092': Name or "
            "service not known (after 0ms in state CONNECT)",
            PLAIN,
            "not known: no.invalid:9092",
            "name server",
        ),
        (
            "TOPIC_AUTHORIZATION_FAILED",
            "TOPIC_AUTHORIZATION_FAILED: Broker: Topic authorization failed",
            PLAIN,
            "do not allow this user",
            "allow it",
        ),
        ("_TIMED_OUT", "the brokers did not answer", SASL, "do not answer", "logs"),
    ],
)
def test_what_a_failure_means(
    name: str, text: str, options: Options, said: str, advised: str
) -> None:
    finding = explain_failure(name, text, options)

    assert finding.severe
    assert said in finding.text
    assert advised in finding.advice


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Failed to create admin client: ssl.key.pem failed: error:05800074:x509 certificate "
            "routines::key values mismatch",
            "KAFKA_CLIENT_CERT_KEY is not the key of KAFKA_CLIENT_CERT",
        ),
        ("failed to read certificate #0 from ssl.ca.pem: not in PEM format?", "KAFKA_TRUSTED_CERT"),
        ("ssl.key.pem failed: not in PEM format?", "KAFKA_CLIENT_CERT_KEY cannot be read"),
        ('No such configuration property: "no.such"', "no option is called no.such"),
        (
            'Invalid value "hidden" for configuration property "linger.ms"',
            "refuses the option linger.ms",
        ),
        ("hidden must be set", "refuses its options"),
    ],
)
def test_options_that_the_client_refuses_are_told_without_values(text: str, said: str) -> None:
    finding = explain_failure("_INVALID_ARG", f"_INVALID_ARG: {text}", PLAIN)

    assert said in finding.text
    assert "hidden" not in finding.text + finding.advice
