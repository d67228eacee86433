from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from ingest.setting_types import (
    LOWER,
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

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nTUlJ\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Annotated[str, LOWER], " Memory", "memory"),
        (Annotated[str, UPPER], "scram-sha-512 ", "SCRAM-SHA-512"),
        (StoreUrl, "chdb:///data", "chdb:///data"),
        (StoreUrl, "clickhouse://u:p@h:9000/d", "clickhouse://u:p@h:9000/d"),
        (StoreUrl, "clickhouses://h", "clickhouses://h"),
        (SitesPlace, "/sites.toml", Path("/sites.toml")),
        (SitesPlace, " postgres://u:p@h/d ", "postgres://u:p@h/d"),
        (SitesPlace, "ecto://u:p@h/d", "ecto://u:p@h/d"),
        (TrustedPeers, "all", "all"),
        (TrustedPeers, "10.0.0.0/8, fc00::/7", "10.0.0.0/8, fc00::/7"),
        (HttpUrl, "http://localhost:4318", "http://localhost:4318"),
        (HttpUrl, "https://h/v1", "https://h/v1"),
        (BearerToken, "x" * 16, SecretStr("x" * 16)),
        (ClusterSecret, "x y" * 11, SecretStr("x y" * 11)),
        (Certificate, CERTIFICATE * 2, SecretStr(CERTIFICATE * 2)),
        (Certificate, CERTIFICATE.replace("\n", "\r\n"), SecretStr(CERTIFICATE)),
        (PrivateKey, KEY.replace("\n", "\\n"), SecretStr(KEY)),
        (KafkaUrl, "kafka+ssl://a:1,b:2", "kafka+ssl://a:1,b:2"),
        (KafkaBrokers, "a:1, b:2", "a:1,b:2"),
        (KafkaOptions, "a.b=1,c=2", SecretStr("a.b=1,c=2")),
    ],
)
def test_values_that_fit(kind: Any, text: str, value: object) -> None:
    assert TypeAdapter(kind).validate_python(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (StoreUrl, "postgres://u:p@h/d"),
        (StoreUrl, "clickhouse://u:p@h:99999/d"),
        (StoreUrl, "clickhouse://u:p@h:0/d"),
        (StoreUrl, "clickhouse://u:p@"),
        (StoreUrl, "clickhouse://[h"),
        (StoreUrl, "chdb://"),
        (SitesPlace, "mysql://u:p@h/d"),
        (TrustedPeers, "10.0.0.0/33"),
        (HttpUrl, "localhost:4318"),
        (HttpUrl, "grpc://localhost:4318"),
        (HttpUrl, "http://"),
        (BearerToken, "x" * 15),
        (BearerToken, "hunter2 hunter2 hunter2"),
        (BearerToken, "hunter2-hünter2-hunter2"),
        (BearerToken, "hunter2-hunter2-\thunter2"),
        (ClusterSecret, "x" * 31),
        (ClusterSecret, "hunter2-hünter2-hunter2-hunter2-hunter2"),
        (ClusterSecret, "hunter2-\thunter2-hunter2-hunter2-hunter2"),
        (Certificate, "TUlJ"),
        (Certificate, KEY),
        (Certificate, "-----BEGIN CERTIFICATE----- TUlJ"),
        (PrivateKey, CERTIFICATE),
        (KafkaUrl, "kafka://u:p@h:9092"),
        (KafkaUrl, "kafka://h:9092,kafka+ssl://i:9092"),
        (KafkaBrokers, "u:p@h:9092"),
        (KafkaOptions, "ssl.key.password p"),
    ],
)
def test_values_that_do_not_fit(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)
