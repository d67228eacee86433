import pytest

from ingest.fold import sources as module
from ingest.fold.sources import RETENTION_SECONDS, TakenSource, TakenSources
from ingest.model.event import Source
from tests.examples import NOON


def test_takes_each_number_of_a_source_once() -> None:
    sources = TakenSources()
    first = Source("letter:a", 1)
    assert not sources.has_taken(first)
    sources.take(first, NOON)
    assert sources.has_taken(first)
    assert not sources.has_taken(Source("letter:a", 2))
    assert not sources.has_taken(Source("letter:b", 1))
    sources.take(Source("letter:a", 5), NOON)
    assert sources.has_taken(Source("letter:a", 3))


@pytest.mark.parametrize("kind", RETENTION_SECONDS)
def test_forgets_a_source_some_days_after_its_last_record(kind: str) -> None:
    sources = TakenSources()
    record = Source(f"{kind}:a", 1)
    sources.take(record, NOON)
    sources.take(Source(f"{kind}:b", 1), NOON + 10)
    sources.expire(NOON + RETENTION_SECONDS[kind])
    assert sources.has_taken(record)
    sources.expire(NOON + RETENTION_SECONDS[kind] + 1)
    assert not sources.has_taken(record)
    assert len(sources) == 1


def test_a_later_record_keeps_a_source_longer() -> None:
    sources = TakenSources()
    sources.take(Source("letter:a", 1), NOON)
    sources.take(Source("letter:b", 1), NOON)
    sources.take(Source("letter:a", 2), NOON + 5)
    sources.expire(NOON + RETENTION_SECONDS["letter"] + 1)
    assert sources.has_taken(Source("letter:a", 2))
    assert not sources.has_taken(Source("letter:b", 1))


def test_the_latest_imports_are_remembered_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IMPORTS", 2)
    sources = TakenSources()
    for number, name in enumerate(("a", "b", "a", "c")):
        sources.take(Source(f"import:{name}", number), NOON)
    sources.take(Source("letter:a", 1), NOON)
    sources.expire(NOON * 2)
    assert list(sources) == [
        TakenSource("import:a", 2, NOON),
        TakenSource("import:c", 3, NOON),
    ]


def test_is_saved_and_restored_in_order() -> None:
    sources = TakenSources()
    for number, name in enumerate(("letter:b", "front:x", "letter:a")):
        sources.take(Source(name, number + 1), NOON + number)
    restored = TakenSources()
    restored.restore(sources)
    assert list(restored) == list(sources)
    assert TakenSource("front:x", 2, NOON + 1) in list(restored)


@pytest.mark.parametrize("kind", RETENTION_SECONDS)
def test_a_forgotten_source_begins_anew_although_it_was_the_last(kind: str) -> None:
    sources = TakenSources()
    record = Source(f"{kind}:a", 7)
    sources.take(record, NOON)
    assert sources.has_taken(record)
    sources.expire(NOON + RETENTION_SECONDS[kind] + 1)
    assert not sources.has_taken(record)
    sources.take(Source(record.name, 3), NOON)
    assert not sources.has_taken(Source(record.name, 4))
    assert list(sources) == [TakenSource(record.name, 3, NOON)]


def test_sources_that_take_turns_are_kept_apart() -> None:
    sources = TakenSources()
    for number in range(3):
        for name in ("front:a", "front:b"):
            record = Source(name, number)
            assert not sources.has_taken(record)
            sources.take(record, NOON + number)
            assert sources.has_taken(record)
    assert list(sources) == [TakenSource(f"front:{each}", 2, NOON + 2) for each in "ab"]


def test_saved_sources_do_not_change() -> None:
    sources = TakenSources()
    sources.take(Source("front:a", 1), NOON)
    saved = list(sources)
    sources.take(Source("front:a", 2), NOON + 1)
    assert saved == [TakenSource("front:a", 1, NOON)]
