"""The check values of spec/enrichment.md §4 to §7."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.enrichment.attribution import attribute, older_attribution
from ingest.model.event import Attribution

GOOGLE = "https://www.google.com/"


@pytest.mark.parametrize(
    ("referrer", "query", "expected"),
    [
        pytest.param(None, {}, Attribution(), id="nothing"),
        pytest.param(
            "https://www.indiehackers.com/page?q#h",
            {},
            {
                "referrer": "indiehackers.com/page",
                "referrer_source": "indiehackers.com",
                "acquisition_channel": "Referral",
            },
            id="a site without a name",
        ),
        pytest.param(
            GOOGLE,
            {"gclid": "x"},
            {
                "referrer_source": "Google",
                "utm_medium": "(gclid)",
                "click_id_param": "gclid",
                "acquisition_channel": "Paid Search",
            },
            id="a click on an advertisement",
        ),
        pytest.param(
            "https://duckduckgo.com/",
            {"gclid": "x"},
            {
                "referrer_source": "DuckDuckGo",
                "utm_medium": "",
                "click_id_param": "gclid",
                "acquisition_channel": "Organic Search",
            },
            id="a click id of another search engine",
        ),
        pytest.param(
            "https://www.bing.com/",
            {"msclkid": "x"},
            {
                "referrer_source": "Bing",
                "utm_medium": "(msclkid)",
                "acquisition_channel": "Paid Search",
            },
            id="Bing's click id",
        ),
        pytest.param(
            GOOGLE,
            {"gclid": "x", "utm_medium": ""},
            {"utm_medium": "", "acquisition_channel": "Paid Search"},
            id="an empty medium stays",
        ),
        pytest.param(
            None,
            {"utm_medium": "display", "utm_source": "google", "gclid": "x"},
            {"acquisition_channel": "Display", "utm_medium": "display"},
            id="display",
        ),
        pytest.param(
            None,
            {"utm_source": "yt-ads"},
            {
                "referrer_source": "Youtube",
                "utm_source": "yt-ads",
                "acquisition_channel": "Paid Video",
            },
            id="video advertisement",
        ),
        pytest.param(
            None, {"utm_medium": "cpc"}, {"acquisition_channel": "Paid Other"}, id="paid, no source"
        ),
        pytest.param(
            "https://kagi.com/",
            {},
            {"referrer_source": "Kagi", "acquisition_channel": "Organic Search"},
            id="Kagi",
        ),
        pytest.param(
            "https://claude.ai/",
            {},
            {"referrer_source": "Claude", "acquisition_channel": "AI Assistants"},
            id="Claude",
        ),
        pytest.param(
            "https://en.wikipedia.org/wiki/A",
            {},
            {
                "referrer": "en.wikipedia.org/wiki/A",
                "referrer_source": "Wikipedia",
                "acquisition_channel": "Referral",
            },
            id="Wikipedia",
        ),
        pytest.param(
            GOOGLE,
            {"utm_source": ""},
            {"referrer": "google.com", "referrer_source": "", "acquisition_channel": "Direct"},
            id="an empty tag hides the referrer",
        ),
        pytest.param(
            GOOGLE,
            {"utm_source": "newsletter", "utm_campaign": "c", "utm_content": "d", "utm_term": "e"},
            {
                "referrer": "google.com",
                "referrer_source": "newsletter",
                "utm_campaign": "c",
                "utm_content": "d",
                "utm_term": "e",
                "acquisition_channel": "Email",
            },
            id="a tag wins over the referrer",
        ),
        pytest.param(
            "https://example.com/other",
            {},
            {"referrer": "", "referrer_source": ""},
            id="the page's own site",
        ),
    ],
)
def test_attribution(referrer: str | None, query: dict[str, str], expected: Any) -> None:
    attribution = attribute(referrer, "example.com", query)
    if isinstance(expected, Attribution):
        assert attribution == expected
    else:
        assert {name: getattr(attribution, name) for name in expected} == expected


def test_long_texts_are_attributed_like_short_ones() -> None:
    tag = "t" * 1000
    attribution = attribute("https://a.example/" + "p" * 1000, "b.example", {"utm_campaign": tag})
    assert attribution.utm_campaign == tag
    assert attribution.referrer_source == "a.example"


@pytest.mark.parametrize(
    ("referrer", "query", "source", "channel"),
    [
        ("https://x.com/a", {}, "x.com", "Referral"),
        ("https://t.co/a", {}, "Twitter", "Organic Social"),
        ("https://chatgpt.com/", {}, "chatgpt.com", "Organic Search"),
        ("https://claude.ai/", {}, "claude.ai", "Referral"),
        (None, {"utm_source": "twitter-ads"}, "Twitter", "Paid Social"),
        ("https://x.com/a", {"ref": ""}, "", "Direct"),
        (GOOGLE, {"gclid": "x"}, "Google", "Paid Search"),
    ],
)
def test_attribution_before_june_2026(
    referrer: str | None, query: dict[str, str], source: str, channel: str
) -> None:
    newest = attribute(referrer, "example.com", query)
    older = older_attribution(newest)
    assert (older.referrer_source, older.acquisition_channel) == (source, channel)
    assert older == older_attribution(older)
    assert msgspec.structs.replace(older, referrer_source="", acquisition_channel="") == (
        msgspec.structs.replace(newest, referrer_source="", acquisition_channel="")
    )


PARAMETER = st.sampled_from(["utm_source", "ref", "utm_medium", "utm_campaign", "gclid", "other"])


@given(st.none() | st.text(max_size=300), st.dictionaries(PARAMETER, st.text(max_size=300)))
def test_any_text_is_attributed(referrer: str | None, query: dict[str, str]) -> None:
    attribution = attribute(referrer, "example.com", query)
    assert attribution.acquisition_channel
    assert attribution == attribute(referrer, "example.com", dict(query))


REFERRERS = st.builds(
    "{}://{}{}".format,
    st.sampled_from(["https", "HTTP", "android-app", "ftp"]),
    st.sampled_from(["www.example.com", "example.com", "a.example.com", "localhost", "", "t.co"]),
    st.sampled_from(["", "/", "/a?utm_source=b", "/" + 200 * "a", ":443/"]),
)


@given(st.none() | st.text() | REFERRERS)
def test_a_page_without_query_is_as_one_without_tags(referrer: str | None) -> None:
    for hostname in ("example.com", "t.co", "(none)"):
        assert attribute(referrer, hostname, {}) == attribute(referrer, hostname, {"page": "2"})
