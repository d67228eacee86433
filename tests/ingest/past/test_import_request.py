import json

import pytest

from ingest.past.formats import Format
from ingest.past.import_request import ImportRequest, ImportSelection

REQUESTS = [
    ImportRequest(("/a",)),
    ImportRequest(
        ("/a", "/b"),
        Format.EVENTS,
        ImportSelection("example.com", 1, 2, with_not_found=True, pattern="%h", names="path=uri"),
        growing=True,
        anew=True,
        dry_run=True,
        force=True,
    ),
]


@pytest.mark.parametrize("wanted", REQUESTS)
def test_what_is_written_is_read(wanted: ImportRequest) -> None:
    assert ImportRequest.from_json(json.loads(json.dumps(wanted.to_json()))) == wanted


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
    with pytest.raises(ValueError, match=r"Expected|Invalid"):
        ImportRequest.from_json({**REQUESTS[0].to_json(), **change})
    with pytest.raises(ValueError, match="Expected"):
        ImportRequest.from_json([])
