import pytest

from ingest.enrichment.campaign import CLICK_IDS, click_id_param, medium


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({}, ""),
        ({"GCLID": "x"}, ""),
        ({"fbclid": ""}, "fbclid"),
        ({"twclid": "x", "gclid": "y"}, "gclid"),
        (dict.fromkeys(reversed(CLICK_IDS), "x"), "gclid"),
    ],
)
def test_click_ids(query: dict[str, str], name: str) -> None:
    assert click_id_param(query) == name


@pytest.mark.parametrize(
    ("query", "source", "click_id", "expected"),
    [
        ({}, "Google", "gclid", "(gclid)"),
        ({}, "Bing", "msclkid", "(msclkid)"),
        ({}, "Bing", "gclid", ""),
        ({}, "Google", "gbraid", ""),
        ({}, "DuckDuckGo", "gclid", ""),
        ({"utm_medium": "cpc"}, "Google", "gclid", "cpc"),
        ({"utm_medium": ""}, "Google", "gclid", ""),
    ],
)
def test_medium(query: dict[str, str], source: str, click_id: str, expected: str) -> None:
    assert medium(query, source, click_id) == expected
