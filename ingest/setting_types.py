"""The types of settings' values. A value that does not fit raises `ValueError`."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from ingest.engine.kafka_address import parse_brokers, parse_kafka_url, parse_options
from ingest.request.client_address import TrustedProxies
from ingest.sites.database_url import DATABASE_SCHEMES

MIN_TOKEN_LENGTH: Final = 16
MIN_SECRET_LENGTH: Final = 32

TOPIC_NAME: Final = r"^[A-Za-z0-9._-]{1,200}$"
"""What Kafka accepts in names of topics."""

TOPIC_PREFIX: Final = r"^[A-Za-z0-9._-]{0,200}$"
"""What it accepts before such a name."""

_CERTIFICATE: Final = r"-----BEGIN CERTIFICATE-----\n.*-----END CERTIFICATE-----"
_KEY: Final = r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n.*-----END [A-Z ]*PRIVATE KEY-----"


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _store_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "chdb":
        usable = bool(parts.netloc + parts.path)
    else:
        # Reading an invalid port raises ValueError.
        usable = parts.scheme in ("clickhouse", "clickhouses") and bool(parts.hostname)
        usable = usable and parts.port != 0
    if not usable:
        raise ValueError("neither form")
    return url


def _sites(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith(DATABASE_SCHEMES):
        return text
    if "://" in text:
        raise ValueError("no such URL")
    return Path(value)


def _trusted_proxies(text: str) -> str:
    TrustedProxies.parse(text)
    return text


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("no such URL")
    return url


def _token(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if len(text) < MIN_TOKEN_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("not usable as a bearer token")
    return token


def _cluster_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if len(text) < MIN_SECRET_LENGTH or not text.isascii() or not text.isprintable():
        raise ValueError("not usable as a secret")
    return secret


def _pem(pattern: str) -> Callable[[SecretStr], SecretStr]:
    """Check that a setting is PEM text; some tools write its line ends as backslash and n."""

    def check(secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value().replace("\\n", "\n").replace("\r", "")
        if not re.search(pattern, text, re.DOTALL):
            raise ValueError("no such PEM text")
        return SecretStr(text)

    return check


def _kafka_url(url: str) -> str:
    parse_kafka_url(url)
    return url


def _kafka_options(options: SecretStr) -> SecretStr:
    parse_options(options.get_secret_value())
    return options


LOWER: Final = BeforeValidator(_lower)
UPPER: Final = BeforeValidator(_upper)
"""For words that are taken in any case."""

StoreUrl = Annotated[str, AfterValidator(_store_url)]
"""chdb://PATH, or clickhouse:// or clickhouses:// with a host."""

SitesPlace = Annotated[Path | str, BeforeValidator(_sites)]
"""The path of a sites file, or the URL of Plausible's PostgreSQL."""

TrustedPeers = Annotated[str, AfterValidator(_trusted_proxies)]
"""What `TrustedProxies` can parse."""

HttpUrl = Annotated[str, AfterValidator(_http_url)]

BearerToken = Annotated[SecretStr, AfterValidator(_token)]
"""At least `MIN_TOKEN_LENGTH` ASCII characters without spaces."""

ClusterSecret = Annotated[SecretStr, AfterValidator(_cluster_secret)]
"""At least `MIN_SECRET_LENGTH` ASCII characters."""

Certificate = Annotated[SecretStr, AfterValidator(_pem(_CERTIFICATE))]
PrivateKey = Annotated[SecretStr, AfterValidator(_pem(_KEY))]
"""PEM text, with line feeds."""

KafkaUrl = Annotated[str, AfterValidator(_kafka_url)]
KafkaBrokers = Annotated[str, AfterValidator(parse_brokers)]
KafkaOptions = Annotated[SecretStr, AfterValidator(_kafka_options)]
"""What `ingest.engine.kafka_address` can parse."""
