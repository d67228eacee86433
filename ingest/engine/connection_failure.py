"""What a failed connection to the brokers means, and what to do about it.

Kafka's client tells little: a wrong setting is often only a connection that ends.
"""

import re
from collections.abc import Iterator
from typing import Final

from ingest.engine.connection import Options
from ingest.engine.finding import Finding, problem

_PLACE: Final = re.compile(r"(?:\w+://)?([^\s/]+:\d+)/")
_HOST: Final = re.compile(r"Failed to resolve '([^']+)'")
_MECHANISMS: Final = re.compile(r"supported mechanisms: ([\w, -]+\w)")
_PROPERTY: Final = re.compile(r'configuration property:? "([^"]+)"')
_SIZE: Final = re.compile(r"Invalid response size (\d+)")

_TLS_ALERTS: Final = range(0x15030000, 0x15030400)
"""The first bytes of what a TLS port answers to a client without TLS, read as a size."""

_CERTIFICATES: Final = {
    "ssl.ca.pem": "KAFKA_TRUSTED_CERT",
    "ssl.certificate.pem": "KAFKA_CLIENT_CERT",
    "ssl.key.pem": "KAFKA_CLIENT_CERT_KEY",
}


def explain_failure(name: str, text: str, options: Options) -> Finding:
    """Explain why the brokers did not answer. Shows no secret.

    Args:
        name: Of the client's error.
        text: What the client says.
        options: The client's.
    """
    if name == "_INVALID_ARG":
        return _explain_options(text)
    if name.endswith("_AUTHORIZATION_FAILED"):
        return problem(
            f"the brokers do not allow this user what it asks: {text}",
            "allow it to describe, read and write the topics of the cluster, and to read its group",
        )
    for finding in (
        *_explain_network(name, text),
        *_explain_user(name, text),
        *_explain_certificates(text, options),
        *_explain_ports(name, text, options),
    ):
        return finding
    return problem(f"the brokers do not answer: {text}", "see that they run, and their logs")


def _explain_options(text: str) -> Finding:
    """The client refuses its options; its text may contain values, so it is not shown."""
    if "key values mismatch" in text:
        return problem("KAFKA_CLIENT_CERT_KEY is not the key of KAFKA_CLIENT_CERT", "set both anew")
    for option, variable in _CERTIFICATES.items():
        if option in text:
            return problem(f"{variable} cannot be read", "set it to the whole PEM text")
    found = _PROPERTY.search(text)
    if found is not None and "No such configuration property" in text:
        return problem(f"SLUICE_KAFKA_OPTIONS: no option is called {found[1]}", "correct it")
    return problem(
        f"Kafka's client refuses the option {found[1]}"
        if found
        else "Kafka's client refuses its options",
        "correct SLUICE_KAFKA_OPTIONS and the settings whose names begin with KAFKA_",
    )


def _explain_network(name: str, text: str) -> Iterator[Finding]:
    if name == "_RESOLVE":
        host = _HOST.search(text)
        yield problem(
            f"the host of a broker is not known: {host[1] if host else text}",
            "correct KAFKA_BROKERS or KAFKA_URL, or the name server of this machine",
        )
    elif "Connection refused" in text:
        yield problem(
            f"nothing listens at {_place(text)}",
            "see that the brokers run, and that KAFKA_BROKERS or KAFKA_URL has their port",
        )
    elif "timed out in state CONNECT" in text or re.search(r"unreachable|No route", text):
        yield problem(
            f"{_place(text)} cannot be reached",
            "see that its network lets this machine in, and that KAFKA_BROKERS or KAFKA_URL is "
            "right",
        )


def _explain_user(name: str, text: str) -> Iterator[Finding]:
    if name != "_AUTHENTICATION":
        return
    mechanisms = _MECHANISMS.search(text)
    if "not valid in current SASL state" in text:
        yield problem(
            f"{_place(text)} takes no user", "unset KAFKA_SASL_MECHANISM, or name the port for SASL"
        )
    elif mechanisms is not None:
        yield problem(
            f"the brokers do not take this KAFKA_SASL_MECHANISM, only {mechanisms[1]}",
            "set it, and the user and password that go with it",
        )
    else:
        yield problem(
            "the brokers refuse the user or the password",
            "correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
        )


def _explain_certificates(text: str, options: Options) -> Iterator[Finding]:
    if "certificate verify failed" in text:
        yield problem(
            f"the certificate of {_place(text)} cannot be trusted: another authority signed it, or "
            "it has another host name",
            "set KAFKA_TRUSTED_CERT to the certificate of the brokers' authority, and name the "
            "brokers as their certificates do",
        )
    elif re.search(r"alert (?:bad certificate|certificate|unknown ca|handshake failure)", text):
        if "ssl.certificate.pem" in options:
            yield problem(
                "the brokers refuse our certificate",
                "set KAFKA_CLIENT_CERT and KAFKA_CLIENT_CERT_KEY to those that their authority "
                "signed",
            )
        else:
            yield problem(
                "the brokers want a certificate of ours",
                "set KAFKA_CLIENT_CERT and KAFKA_CLIENT_CERT_KEY",
            )


def _explain_ports(name: str, text: str, options: Options) -> Iterator[Finding]:
    protocol = str(options.get("security.protocol", "plaintext"))
    size = _SIZE.search(text)
    closed = name == "_ALL_BROKERS_DOWN" or "Disconnected" in text
    if "PLAINTEXT broker listener" in text or "wrong version number" in text:
        yield problem(
            f"{_place(text)} does not speak TLS",
            "name the brokers' port for TLS, or set KAFKA_SECURITY_PROTOCOL to plaintext or "
            "sasl_plaintext",
        )
    elif protocol.endswith("plaintext") and (
        closed or (size is not None and int(size[1]) in _TLS_ALERTS)
    ):
        yield problem(
            "the brokers end each connection at once: their port is probably one for TLS",
            "set KAFKA_TRUSTED_CERT, or KAFKA_SECURITY_PROTOCOL to ssl or sasl_ssl; or name the "
            "port without TLS",
        )
    elif size is not None:
        yield problem(
            f"{_place(text)} does not answer as a broker does",
            "see that KAFKA_BROKERS or KAFKA_URL has the port of the brokers",
        )
    elif "sasl.mechanism" not in options and (closed or "Broker transport failure" in text):
        yield problem(
            "the brokers end the connection without a reason: they probably want a user",
            "set KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
        )


def _place(text: str) -> str:
    found = _PLACE.search(text)
    return found[1] if found else "a broker"
