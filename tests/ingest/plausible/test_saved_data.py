from dataclasses import replace
from datetime import date

import pytest

from ingest.plausible.saved_data import parse, serialise
from ingest.plausible.tables import Goal, PlausibleData, PlausibleSite, Rule, StoredSalt
from ingest.sites.site import SiteScript

DATA = PlausibleData(
    (PlausibleSite(2**63, "ä.example", "b", 0, 60, date(2099, 1, 1)), PlausibleSite(2, "b")),
    {"ip": (Rule(2, "192.0.2.1", "deny"),), "page": ()},
    (Goal(2, 'a "goal"', "EUR"),),
    (StoredSalt(b"secret" * 2 + b"1234", 5),),
    frozenset({"ip", "page", "salts"}),
    ("something is missing",),
    {2: SiteScript("abc", outbound_links=True)},
)


def test_all_but_the_salts_is_kept() -> None:
    content = serialise(DATA)
    assert parse(content) == replace(DATA, salts=())
    assert b"secret" not in content
    assert b"c2Vjc" not in content


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\xff", b"[" * 100_000, b'{"version":2,"data":{"sites":[]}}'],
    ids=["empty", "no data", "no text", "deep", "another version"],
)
def test_other_content(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"Plausible's sites|version 2"):
        parse(content)
