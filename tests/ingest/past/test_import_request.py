import json

import pytest

from ingest.past.formats import Format
from ingest.past.import_request import ImportOrder, Selection, selection_from_json

ORDERS = [
    ImportOrder(("/a",)),
    ImportOrder(
        ("/a", "/b"),
        Format.EVENTS,
        Selection("example.com", 1, 2, with_not_found=True),
        growing=True,
        anew=True,
        dry_run=True,
    ),
]


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_written_is_read(order: ImportOrder) -> None:
    assert ImportOrder.from_json(json.loads(json.dumps(order.to_json()))) == order


@pytest.mark.parametrize(
    "change",
    [
        {"paths": []},
        {"paths": [1]},
        {"paths": "/a"},
        {"form": "x"},
        {"selection": None},
        {"selection": {"site": 1}},
        {"growing": "yes"},
    ],
)
def test_something_else(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not a|is not a valid Format"):
        ImportOrder.from_json({**ORDERS[0].to_json(), **change})
    with pytest.raises(ValueError, match="not an order"):
        ImportOrder.from_json([])
    with pytest.raises(ValueError, match="not a selection"):
        selection_from_json({})
