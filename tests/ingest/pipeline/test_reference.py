import pytest

from ingest.enrichment.geo import NoGeoDatabase
from ingest.pipeline.reference import Reference
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry


@pytest.mark.parametrize(
    ("domain", "accept", "found"),
    [
        ("example.com", False, True),
        ("old.example", False, True),
        ("new.example", False, False),
        ("new.example", True, True),
        ("", True, False),
    ],
)
def test_sites(domain: str, accept: bool, found: bool) -> None:
    registry = SiteRegistry([Site(1, "example.com", "old.example")])
    salts = Salts(Salt(bytes(16), 0))
    reference = Reference(registry, NoGeoDatabase(), salts, RateLimiter(), accept)
    assert (reference.site(domain) is not None) is found
