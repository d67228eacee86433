import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.engine.kafka_address import (
    KafkaAddress,
    parse_brokers,
    parse_kafka_url,
    parse_options,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("kafka://a:9092", KafkaAddress("a:9092")),
        ("kafka://a:9092,b:9093", KafkaAddress("a:9092,b:9093")),
        ("kafka://a:9092, kafka://b:9093/", KafkaAddress("a:9092,b:9093")),
        ("kafka://a", KafkaAddress("a")),
        ("kafka://[::1]:9092,192.0.2.7:1", KafkaAddress("[::1]:9092,192.0.2.7:1")),
        (
            "kafka+ssl://ec2-1.example.com:9096,kafka+ssl://ec2-2.example.com:9096",
            KafkaAddress("ec2-1.example.com:9096,ec2-2.example.com:9096", tls=True),
        ),
        ("kafka+ssl://a:9096,b:9096", KafkaAddress("a:9096,b:9096", tls=True)),
    ],
)
def test_urls(text: str, address: KafkaAddress) -> None:
    assert parse_kafka_url(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:9092",
        "http://a:9092",
        "://a:9092",
        "a:9092,kafka://b:9092",
        "kafka://a:9092,://b:9092",
        "kafka://a:9092,kafka+ssl://b:9092",
        "kafka://",
        "kafka://a:9092,",
        "kafka://a:9092//",
        "kafka://user:password@a:9092",
        "kafka://a:9092/topic",
        "kafka://a:9092?x=y",
        "kafka://a:port",
        "kafka://a:65536",
        "kafka://a:0",
        "kafka://[::1",
    ],
)
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is not shown
        parse_kafka_url(text)


def test_brokers() -> None:
    assert parse_brokers(" a:9092 , b ") == "a:9092,b"


@pytest.mark.parametrize("text", ["", ",", "a:9092,", "kafka://a:9092", "a b:9092", "a#b"])
def test_what_are_no_brokers(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is not shown
        parse_brokers(text)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("linger.ms=5", {"linger.ms": "5"}),
        (" linger.ms = 5 , client.id = a b ", {"linger.ms": "5", "client.id": "a b"}),
        (
            "debug=broker,topic,client.id=x",
            {"debug": "broker,topic", "client.id": "x"},
        ),
        ("sasl.oauthbearer.config=a=b", {"sasl.oauthbearer.config": "a=b"}),
        ("client.id=", {"client.id": ""}),
    ],
)
def test_options(text: str, options: dict[str, str]) -> None:
    assert parse_options(text) == options


@pytest.mark.parametrize("text", ["", "linger.ms", "=5", "Linger=5", "a=1,a=2", ",a=1", "a-b=1"])
def test_what_are_no_options(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is not shown
        parse_options(text)


@given(st.text())
def test_any_text_is_understood_or_a_value_error(text: str) -> None:
    for parse in (parse_kafka_url, parse_brokers, parse_options):
        try:
            parse(text)
        except ValueError:
            continue
