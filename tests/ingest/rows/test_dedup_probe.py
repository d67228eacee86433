import re

import pytest

from ingest.rows.dedup_probe import SAMPLE_ROWS, plan_probes
from ingest.rows.layout import Row
from ingest.rows.schema import EVENTS, SESSIONS, Table

JUNE, JULY = 1_781_000_000, 1_784_000_000


def a_row(table: Table, **values: int) -> Row:
    return tuple(values.get(column.name, 0) for column in table.inserted)


def test_each_month_has_a_probe_of_its_own() -> None:
    june = [a_row(EVENTS, timestamp=JUNE + n) for n in range(3)]
    july = [a_row(EVENTS, timestamp=JULY)]
    probes = plan_probes(EVENTS, [*june, *july], "db")
    assert [(probe.rows, probe.expected) for probe in probes] == [
        (tuple(june), 3),
        (tuple(july), 1),
    ]
    assert str(JULY) not in probes[0].sql


def test_rows_that_look_alike_count_once() -> None:
    (probe,) = plan_probes(EVENTS, [a_row(EVENTS, timestamp=JUNE)] * 5, "db")
    assert (len(probe.rows), probe.expected) == (5, 1)


def test_a_large_insert_is_sampled_all_over() -> None:
    rows = [a_row(EVENTS, timestamp=JUNE, session_id=n) for n in range(10_000)]
    (probe,) = plan_probes(EVENTS, rows, "db")
    assert probe.expected == SAMPLE_ROWS
    sessions = [int(found) for found in re.findall(r"\(0, 0, (\d+), ", probe.sql)]
    assert len(sessions) == SAMPLE_ROWS
    assert max(sessions) > 9_000


def test_a_visit_is_told_by_the_state_that_is_written_once() -> None:
    rows = [
        a_row(SESSIONS, sign=-1, session_id=7, events=1, start=JUNE),
        a_row(SESSIONS, sign=1, session_id=7, events=2, start=JUNE),
    ]
    (probe,) = plan_probes(SESSIONS, rows, "db")
    assert probe.expected == 1
    assert "sign = 1" in probe.sql
    assert f"(0, 0, 7, {JUNE}, 2)" in probe.sql


@pytest.mark.parametrize("name", ["db", "a`b"])
def test_the_database_is_quoted(name: str) -> None:
    (probe,) = plan_probes(EVENTS, [a_row(EVENTS)], name)
    assert "FROM `" + name.replace("`", "\\`") + "`.`events_v2`" in probe.sql


def test_rows_are_not_told_by_columns_that_the_table_lacks() -> None:
    (probe,) = plan_probes(
        EVENTS, [a_row(EVENTS, timestamp=JUNE, session_id=7)], "db", {"engagement_time"}
    )
    assert "engagement_time" not in probe.sql
    assert f"(0, 0, 7, {JUNE}, 0)" in probe.sql
