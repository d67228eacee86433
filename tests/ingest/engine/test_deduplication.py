import pytest

from ingest.engine.deduplication import (
    REPLICATED_SETTING,
    SETTING,
    Window,
    examine_deduplication,
    needed_tokens,
    window_of,
)


@pytest.mark.parametrize(
    ("partitions", "flush_seconds", "tokens"),
    [(64, 5, 30_720), (64, 10, 15_360), (256, 5, 122_880), (1, 7, 343)],
)
def test_tokens_of_ten_minutes(partitions: int, flush_seconds: float, tokens: int) -> None:
    assert needed_tokens(partitions, flush_seconds) == tokens


def test_tables_that_remember_too_few_tokens() -> None:
    windows = {
        "events_v2": Window(SETTING, 1000),
        "sessions_v2": Window(SETTING, 30_720),
        "ingest_counters": Window(REPLICATED_SETTING, 0),
    }

    first, second = examine_deduplication(windows, 64, 5)

    assert first.text.startswith(
        "events_v2 remembers 1,000 tokens of inserts, and 64 partitions with "
        "SLUICE_FLUSH_SECONDS=5 need 30,720"
    )
    assert first.advice.startswith(
        "ALTER TABLE events_v2 MODIFY SETTING non_replicated_deduplication_window = 30720;"
    )
    assert second.text.startswith("ingest_counters remembers 0 tokens")
    assert "SETTING replicated_deduplication_window = 30720" in second.advice
    assert not first.severe


@pytest.mark.parametrize(
    ("engine", "settings", "default", "window"),
    [
        ("MergeTree", "", 100, Window(SETTING, 0)),
        ("MergeTree", f", {SETTING} = 1000", 100, Window(SETTING, 1000)),
        ("ReplicatedMergeTree", f", {SETTING} = 1000", 100, Window(REPLICATED_SETTING, 100)),
        ("ReplicatedMergeTree", f", {REPLICATED_SETTING} = 7", 100, Window(REPLICATED_SETTING, 7)),
        ("SharedMergeTree", "", None, None),
    ],
)
def test_the_window_of_a_table(
    engine: str, settings: str, default: int | None, window: Window | None
) -> None:
    definition = f"{engine} ORDER BY site_id SETTINGS index_granularity = 8192{settings}"
    assert window_of(engine, definition, default) == window
