import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.engine.message import POSITIONS
from ingest.engine.plan import (
    MAX_BYTES,
    NEEDED_BYTES,
    CheckpointPlace,
    Plan,
    UnknownPlanError,
    decode_plan,
    encode_plan,
)
from ingest.records.run import LogPoint

PLAN = Plan(
    LogPoint(5 * POSITIONS, 300),
    LogPoint(9 * POSITIONS, 540),
    CheckpointPlace("00c0ffee00c0ffee", 17, 3 * POSITIONS),
    1,
    1_790_078_400,
)
NUMBERS = st.integers(0, 2**57)


@given(
    NUMBERS,
    st.none() | st.integers(1, 2**57),
    st.none() | st.builds(CheckpointPlace, st.text(max_size=64), NUMBERS, NUMBERS),
    NUMBERS,
)
def test_reads_what_was_written(
    offset: int, messages: int | None, checkpoint: CheckpointPlace | None, number: int
) -> None:
    committed = LogPoint(offset * POSITIONS, number)
    prepared = None if messages is None else LogPoint((offset + messages) * POSITIONS, number + 1)
    plan = Plan(committed, prepared, checkpoint, 1, number)

    text = encode_plan(plan)

    assert decode_plan(text) == plan
    assert plan.offset == offset
    assert len(text.encode()) <= MAX_BYTES


def test_the_text_stays_readable_for_later_versions() -> None:
    assert encode_plan(PLAN) == (
        '{"version":1,"plan":{"committed":[320,300],"prepared":[576,540],'
        '"checkpoint":{"checkpoint_id":"00c0ffee00c0ffee","offset":17,"position":192},'
        '"rules":1,"planned_at":1790078400}}'
    )


def test_the_greatest_plan_has_the_needed_bytes() -> None:
    greatest = 2**63 - POSITIONS
    point = LogPoint(greatest, greatest)
    place = CheckpointPlace("f" * 32, greatest, greatest)
    plan = Plan(LogPoint(greatest - POSITIONS, greatest), point, place, greatest, greatest)

    assert NEEDED_BYTES / 2 < len(encode_plan(plan)) <= NEEDED_BYTES


@pytest.mark.parametrize(
    ("committed", "prepared"),
    [
        pytest.param(LogPoint(1, 0), None, id="within a message"),
        pytest.param(LogPoint(-POSITIONS, 0), None, id="before the beginning"),
        pytest.param(LogPoint(0, 0), LogPoint(65, 0), id="ends within a message"),
        pytest.param(LogPoint(64, 0), LogPoint(64, 0), id="an empty batch"),
        pytest.param(LogPoint(128, 0), LogPoint(64, 0), id="ends before it begins"),
    ],
)
def test_refuses_points_that_no_partition_has(
    committed: LogPoint, prepared: LogPoint | None
) -> None:
    with pytest.raises(ValueError, match=r"no point|prepared batch"):
        Plan(committed, prepared, None, 1, 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "null",
        '{"version":1}',
        encode_plan(PLAN)[:-1],
        encode_plan(PLAN).replace("320", "321"),
        encode_plan(PLAN).replace("320", '"x"'),
        "[" * 100_000,
    ],
)
def test_refuses_what_is_no_plan(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a plan: "):
        decode_plan(text)


def test_refuses_other_versions_by_number() -> None:
    with pytest.raises(UnknownPlanError, match="version 2 is not known") as caught:
        decode_plan('{"version": 2, "other": true}')

    assert caught.value.version == 2


def test_refuses_to_write_what_the_broker_would_refuse() -> None:
    plan = replace(PLAN, checkpoint=CheckpointPlace("x" * MAX_BYTES, 0, 0))

    with pytest.raises(ValueError, match="more than 4095 bytes"):
        encode_plan(plan)
