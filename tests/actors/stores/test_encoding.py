import pytest

from actors.stores.encoding import encode
from actors.stores.store import RowsRefused
from ingest.rows.names_age import NamesAge
from ingest.rows.native import ROWS_PER_BLOCK, encode_block
from ingest.rows.schema import EVENTS
from tests.ingest.rows.example_rows import row

NEWEST = [
    row(EVENTS, user_id=number, referrer="bsky.app", referrer_source="Bluesky")
    for number in range(2 * ROWS_PER_BLOCK + 1)
]
OLDER = [
    row(EVENTS, user_id=number, referrer="bsky.app", referrer_source="bsky.app")
    for number in range(len(NEWEST))
]


@pytest.mark.parametrize(
    ("names", "rows"), [(NamesAge.NEWEST, NEWEST), (NamesAge.OLDER, OLDER)], ids=str
)
def test_blocks_hold_all_rows_with_the_names_of_an_age(
    names: NamesAge, rows: list[tuple[object, ...]]
) -> None:
    blocks = encode(EVENTS, NEWEST, {"acquisition_channel"}, names)
    assert blocks == [
        encode_block(EVENTS.inserted, rows[start : start + ROWS_PER_BLOCK], {"acquisition_channel"})
        for start in (0, ROWS_PER_BLOCK, 2 * ROWS_PER_BLOCK)
    ]


def test_no_rows_are_no_blocks() -> None:
    assert encode(EVENTS, [], ()) == []


@pytest.mark.parametrize("names", NamesAge)
def test_an_invalid_row_leaves_nothing_half_done(names: NamesAge) -> None:
    with pytest.raises(RowsRefused, match="referrer_source"):
        encode(EVENTS, [*NEWEST, row(EVENTS, referrer_source=7)], (), names)
    with pytest.raises(RowsRefused):
        encode(EVENTS, [*NEWEST, ()], (), names)
