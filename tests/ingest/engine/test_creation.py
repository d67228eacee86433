from typing import Final

import pytest

from ingest.engine.cluster_record import KEY, ClusterRecord, encode_cluster_record
from ingest.engine.creation import (
    FoundRecord,
    choose_salts,
    examine_record,
    find_record,
    manual_commands,
    refusal,
)
from ingest.engine.salt_agreement import DailySalt
from ingest.engine.topics import topic_names, wanted_topics

FIRST: Final = ClusterRecord("00c0ffee00c0ffee", 64, 1800)
SECOND: Final = ClusterRecord("00c0ffee00c0ffef", 64, 1800)
DAY: Final = 86_400
NAMES: Final = topic_names("")


def message(record: ClusterRecord | None) -> tuple[bytes, bytes | None]:
    return KEY, None if record is None else encode_cluster_record(record)


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([], FoundRecord(None, current=True)),
        ([FIRST], FoundRecord(FIRST, current=True)),
        ([FIRST, SECOND], FoundRecord(FIRST, current=False)),
        ([FIRST, SECOND, FIRST], FoundRecord(FIRST, current=True)),
        ([FIRST, None], FoundRecord(FIRST, current=False)),
        ([None], FoundRecord(None, current=True)),
        ([None, FIRST], FoundRecord(FIRST, current=True)),
    ],
)
def test_the_first_record_counts(records: list[ClusterRecord | None], found: FoundRecord) -> None:
    others = [(b"heartbeat:1", b"{}"), (None, b"{}")]
    assert find_record([*others, *map(message, records), *others]) == found


def test_a_record_of_a_later_version_is_not_replaced() -> None:
    with pytest.raises(ValueError, match="format 2 is not known"):
        find_record([(KEY, b'{"format": 2}')])


@pytest.mark.parametrize(
    ("found", "minutes", "texts"),
    [
        (FoundRecord(FIRST), 30, []),
        (FoundRecord(None), 30, ["sluice-control has no cluster record"]),
        (FoundRecord(FIRST, current=False), 30, ["the cluster record was replaced or deleted"]),
        (
            FoundRecord(FIRST),
            45,
            ["SLUICE_SESSION_MINUTES is 45, but the cluster was made with 30"],
        ),
    ],
)
def test_what_is_wrong_with_a_record(found: FoundRecord, minutes: int, texts: list[str]) -> None:
    findings = list(examine_record(NAMES, found, minutes))

    assert [text in finding.text for finding, text in zip(findings, texts, strict=True)] == [
        True for _ in texts
    ]


@pytest.mark.parametrize(
    ("record", "partitions", "minutes", "existing", "reason"),
    [
        (None, None, 30, {}, None),
        (None, 64, 30, {"sluice-events": 64, "sluice-salts": 1}, None),
        (FIRST, None, 30, {"sluice-events": 64}, None),
        (FIRST, 64, 30, {"sluice-events": 64}, None),
        (FIRST, 8, 30, {}, "exists with 64 partitions, not 8"),
        (FIRST, None, 45, {}, "exists with SLUICE_SESSION_MINUTES=30, not 45"),
        (None, None, 30, {"sluice-events": 8}, "8 partitions instead of 64: give --partitions 8"),
        (None, 64, 30, {"sluice-events": 8}, "8 partitions instead of 64: delete it"),
        (FIRST, None, 30, {"sluice-checkpoints": 8}, "8 partitions instead of 64: delete it"),
        (None, None, 30, {"sluice-control": 2}, "2 partitions instead of 1: delete it"),
    ],
)
def test_what_contradicts_a_cluster(
    record: ClusterRecord | None,
    partitions: int | None,
    minutes: int,
    existing: dict[str, int],
    reason: str | None,
) -> None:
    refused = refusal(record, partitions, minutes, wanted_topics("", 64), existing)

    assert (refused is None) is (reason is None)
    assert reason is None or reason in (refused or "")


def test_topics_to_be_made_by_hand() -> None:
    events, *_ = manual_commands(wanted_topics("a.", 8, 2))

    assert events.startswith(
        "kafka-topics.sh --create --topic a.sluice-events --partitions 8 --replication-factor 2 "
        "--config cleanup.policy=delete"
    )
    assert "--config message.timestamp.type=LogAppendTime" in events


def salt(day: int) -> DailySalt:
    return DailySalt(day, b"k" * 16, day * DAY)


def test_only_salts_of_days_without_one_are_taken() -> None:
    choice = choose_salts([salt(18), salt(19), salt(20)], [salt(20)], 20 * DAY + 3600.0)

    assert [each.day for each in choice.taken] == [19]
    assert choice.present == [20]
    assert choice.outlived == [18]
