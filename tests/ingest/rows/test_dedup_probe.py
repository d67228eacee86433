import re

import pytest

from ingest.rows.dedup_probe import WITNESSES, inquire
from ingest.rows.layout import Row
from ingest.rows.schema import EVENTS, SESSIONS, Table

JUNE, JULY = 1_781_000_000, 1_784_000_000


def a_row(table: Table, **values: int) -> Row:
    return tuple(values.get(column.name, 0) for column in table.inserted)


def test_each_month_is_asked_for_by_itself() -> None:
    june = [a_row(EVENTS, timestamp=JUNE + n) for n in range(3)]
    july = [a_row(EVENTS, timestamp=JULY)]
    inquiries = inquire(EVENTS, [*june, *july], "db")
    assert [(inquiry.rows, inquiry.expected) for inquiry in inquiries] == [
        (tuple(june), 3),
        (tuple(july), 1),
    ]
    assert str(JULY) not in inquiries[0].sql


def test_rows_that_look_alike_are_one_witness() -> None:
    (inquiry,) = inquire(EVENTS, [a_row(EVENTS, timestamp=JUNE)] * 5, "db")
    assert (len(inquiry.rows), inquiry.expected) == (5, 1)


def test_a_large_insert_is_sampled_all_over() -> None:
    rows = [a_row(EVENTS, timestamp=JUNE, session_id=n) for n in range(10_000)]
    (inquiry,) = inquire(EVENTS, rows, "db")
    assert inquiry.expected == WITNESSES
    sessions = [int(found) for found in re.findall(r"\(0, 0, (\d+), ", inquiry.sql)]
    assert len(sessions) == WITNESSES
    assert max(sessions) > 9_000


def test_a_visit_is_told_by_the_state_that_is_written_once() -> None:
    rows = [
        a_row(SESSIONS, sign=-1, session_id=7, events=1, start=JUNE),
        a_row(SESSIONS, sign=1, session_id=7, events=2, start=JUNE),
    ]
    (inquiry,) = inquire(SESSIONS, rows, "db")
    assert inquiry.expected == 1
    assert "sign = 1" in inquiry.sql
    assert f"(0, 0, 7, {JUNE}, 2)" in inquiry.sql


@pytest.mark.parametrize("name", ["db", "a`b"])
def test_the_database_is_quoted(name: str) -> None:
    (inquiry,) = inquire(EVENTS, [a_row(EVENTS)], name)
    assert "FROM `" + name.replace("`", "\\`") + "`.`events_v2`" in inquiry.sql


def test_rows_are_not_told_by_columns_that_the_table_lacks() -> None:
    (inquiry,) = inquire(
        EVENTS, [a_row(EVENTS, timestamp=JUNE, session_id=7)], "db", {"engagement_time"}
    )
    assert "engagement_time" not in inquiry.sql
    assert f"(0, 0, 7, {JUNE}, 0)" in inquiry.sql
