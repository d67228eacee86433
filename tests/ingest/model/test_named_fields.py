from decimal import Decimal

import msgspec
import pytest

from ingest.model.event import Revenue
from ingest.model.named_fields import by_name, from_names
from tests.examples import an_event
from tests.ingest.records.examples import a_full_event, a_session


class Inner(msgspec.Struct, frozen=True, array_like=True):
    amount: Decimal
    note: str = ""


class Outer(msgspec.Struct, frozen=True, array_like=True, tag=0):
    name: str
    inner: Inner
    perhaps: Inner | None = None
    pairs: tuple[tuple[str, str], ...] = ()


FULL = Outer("a", Inner(Decimal("1.50"), "x"), Inner(Decimal(2)), (("k", "v"),))
NAMES = {
    "name": "a",
    "inner": {"amount": Decimal("1.50"), "note": "x"},
    "perhaps": {"amount": Decimal(2), "note": ""},
    "pairs": (("k", "v"),),
}


def test_structs_that_are_arrays_elsewhere_have_names() -> None:
    assert by_name(FULL) == NAMES
    assert from_names(Outer, NAMES) == FULL


def test_a_field_may_have_come_or_gone() -> None:
    fields = {"name": "a", "inner": {"amount": Decimal(1)}, "gone": 7}
    assert from_names(Outer, fields) == Outer("a", Inner(Decimal(1)))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "a"}, TypeError),
        ({"name": 1, "inner": {"amount": Decimal(1)}}, msgspec.ValidationError),
        ({"name": "a", "inner": "x"}, msgspec.ValidationError),
        ({"name": "a", "inner": {"amount": 1}, "pairs": [["k", 1]]}, msgspec.ValidationError),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        from_names(Outer, fields)


@pytest.mark.parametrize(
    "struct",
    [
        pytest.param(a_session(), id="a session"),
        pytest.param(a_full_event(), id="an event with a tag"),
        pytest.param(
            an_event(revenue=Revenue(Decimal("10.20"), "USD"), query={"ref": "x"}),
            id="an event that is no array",
        ),
    ],
)
def test_what_is_kept_by_name_comes_back_as_it_was(struct: msgspec.Struct) -> None:
    fields = by_name(struct)
    assert isinstance(fields, dict)
    assert list(fields) == list(struct.__struct_fields__)
    assert from_names(type(struct), fields) == struct
