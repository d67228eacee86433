import pytest
from msgspec.structs import replace

from actors.cluster.admin import CommittedOffset
from actors.cluster.takeover import begin, plan_of
from ingest.engine.plan import CheckpointPlace, Plan, UnknownPlanError, encode_plan
from ingest.fold.checkpoint import FoldState
from ingest.fold.sources import TakenSource
from ingest.records.record import Description
from ingest.records.run import LogPoint

DESCRIPTION = Description(1800, 1800)
LOG = "0123456789abcdef-3"
SOURCES = (TakenSource("front:1", 7, 100),)


def point(offset: int) -> LogPoint:
    return LogPoint(64 * offset, offset)


def a_plan(committed: int, prepared: int | None = None, checkpoint: int | None = None) -> Plan:
    place = None if checkpoint is None else CheckpointPlace("c", 5, 64 * checkpoint)
    return Plan(point(committed), None if prepared is None else point(prepared), place, 1, 99)


def a_state(offset: int) -> FoldState:
    return FoldState(LOG, *point(offset), 1_000, DESCRIPTION, (), (), SOURCES)


ANEW = replace(a_state(0), log_time=0, sources=())


@pytest.mark.parametrize(
    ("plan", "state", "first", "committed", "prepared", "fold", "lost"),
    [
        # nothing is committed
        (None, None, 0, 0, None, ANEW, 0),
        (None, None, 8, 8, None, replace(ANEW, position=8 * 64), 0),
        (None, a_state(5), 2, 5, None, a_state(5), 0),
        # a checkpoint before what is committed
        (a_plan(9, 12, 5), a_state(5), 2, 9, 12, a_state(5), 0),
        (a_plan(9, None, 9), a_state(9), 9, 9, None, a_state(9), 0),
        # none, but all messages are there
        (a_plan(9, 12), None, 0, 9, 12, ANEW, 0),
        (a_plan(9, 12, 5), None, 0, 9, 12, ANEW, 0),
        # none, and messages are gone: sessions begin anew
        (a_plan(9, 12, 5), None, 2, 9, 12, replace(ANEW, position=9 * 64, number=9), 0),
        (a_plan(9, 12, 5), a_state(5), 7, 9, 12, a_state(9), 0),
        # retention has passed what is committed
        (a_plan(9, 12, 5), a_state(5), 11, 11, 12, replace(a_state(9), position=11 * 64), 2),
        (a_plan(9, 12, 5), a_state(5), 20, 20, None, replace(a_state(9), position=20 * 64), 11),
    ],
)
def test_the_fold_begins_where_its_state_is_exact(
    plan: Plan | None,
    state: FoldState | None,
    first: int,
    committed: int,
    prepared: int | None,
    fold: FoldState,
    lost: int,
) -> None:
    takeover = begin(None, plan, state, LOG, 64 * first, DESCRIPTION)
    assert takeover.plan.committed.position == 64 * committed
    end = takeover.plan.prepared
    assert (None if end is None else end.position) == (None if prepared is None else 64 * prepared)
    assert takeover.state == fold
    assert (takeover.first, takeover.lost) == (64 * first, lost)


def test_a_commit_says_what_its_plan_is() -> None:
    plan = a_plan(9, 12, 5)
    assert plan_of(CommittedOffset(9, encode_plan(plan))) == plan


def test_an_operator_may_have_moved_the_offset() -> None:
    moved = plan_of(CommittedOffset(7, encode_plan(a_plan(9, 12, 5))))
    assert (moved.offset, moved.prepared) == (7, None)
    assert moved.checkpoint == a_plan(9, 12, 5).checkpoint
    assert plan_of(CommittedOffset(7, "")) == Plan(LogPoint(7 * 64, 0), None, None, 1, 0)


def test_the_plan_of_a_later_version_is_refused() -> None:
    text = encode_plan(a_plan(9)).replace('"version":1', '"version":2')
    with pytest.raises(UnknownPlanError):
        plan_of(CommittedOffset(9, text))
