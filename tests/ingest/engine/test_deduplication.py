import pytest

from ingest.engine.deduplication import examine_deduplication, needed_tokens


@pytest.mark.parametrize(
    ("partitions", "flush_seconds", "tokens"),
    [(64, 5, 30_720), (64, 10, 15_360), (256, 5, 122_880), (1, 7, 343)],
)
def test_tokens_of_ten_minutes(partitions: int, flush_seconds: float, tokens: int) -> None:
    assert needed_tokens(partitions, flush_seconds) == tokens


def test_tables_that_remember_too_few_tokens() -> None:
    windows = {"events_v2": 1000, "sessions_v2": 30_720, "ingest_counters": 0}

    first, second = examine_deduplication(windows, 64, 5)

    assert first.text.startswith(
        "events_v2 remembers 1,000 tokens of inserts, and 64 partitions with "
        "SLUICE_FLUSH_SECONDS=5 need 30,720"
    )
    assert first.advice.startswith(
        "ALTER TABLE events_v2 MODIFY SETTING non_replicated_deduplication_window = 30720;"
    )
    assert second.text.startswith("ingest_counters remembers 0 tokens")
    assert not first.severe
