import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.enrichment.referrer import parse_referral
from ingest.enrichment.source import source_of, tagged


@pytest.mark.parametrize(
    ("tag", "source"),
    [
        ("fb", "Facebook"),
        ("ig", "Instagram"),
        ("yt", "Youtube"),
        ("Reddit-ads", "Reddit"),
        ("Adwords", "Google"),
        ("twitter", "X (Twitter)"),
        ("GOOGLE", "Google"),
        ("hacker news", "Hacker News"),
        ("newsletter", "newsletter"),
        ("My Newsletter", "My Newsletter"),
        ("", ""),
    ],
)
def test_tags(tag: str, source: str) -> None:
    referral = parse_referral("https://duckduckgo.com", "example.com")
    assert source_of({"utm_source": tag}, referral) == source


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ({}, None),
        ({"UTM_SOURCE": "a"}, None),
        ({"ref": "c"}, "c"),
        ({"ref": "c", "source": "b"}, "b"),
        ({"ref": "c", "source": "b", "utm_source": "a"}, "a"),
        ({"ref": "c", "utm_source": ""}, ""),
    ],
)
def test_which_tag_counts(query: dict[str, str], value: str | None) -> None:
    assert tagged(query) == value


@pytest.mark.parametrize(
    ("referrer", "source"),
    [
        # spec/enrichment.md §5
        ("https://t.me/x", "Telegram"),
        ("https://news.ycombinator.com/item?id=1", "Hacker News"),
        ("https://mail.google.com/mail", "Gmail"),
        ("https://search.yahoo.com/search", "Yahoo!"),
        ("https://markosaric.com", "markosaric.com"),
        ("https://MarkoSaric.com", "MarkoSaric.com"),
        ("https://gemini.google.com/app", "Google Gemini"),
        ("https://twitter.com/x", "X (Twitter)"),
        ("https://x.com/a", "X (Twitter)"),
        ("https://t.co/a", "X (Twitter)"),
        # Apps: an alias, a package of the host tables, one that nobody knows
        ("android-app://com.reddit.frontpage", "Reddit"),
        ("android-app://com.google.android.googlequicksearchbox/", "Google"),
        ("android-app://com.google.android.gm/", "Gmail"),
        ("android-app://com.Slack", "Slack"),
        ("android-app://com.twitter.android", "X (Twitter)"),
        ("android-app://com.linkedin.android", "LinkedIn"),
        ("android-app://org.example.app", "android-app://org.example.app"),
        ("https://en.wikipedia.org/wiki", "Wikipedia"),
        ("https://wikipedia.org", "Wikipedia"),
        ("https://notwikipedia.org", "notwikipedia.org"),
        ("https://word-edit.officeapps.live.com/", "Microsoft 365"),
        ("https://chatgpt.com/", "ChatGPT"),
        ("https://www.perplexity.ai/", "Perplexity"),
        ("https://old.reddit.com/r/x", "Reddit"),
        ("https://m.facebook.com/", "Facebook"),
        ("https://l.facebook.com/l.php", "Facebook"),
        ("https://www.youtube.com/watch", "Youtube"),
        ("https://duckduckgo.com/", "DuckDuckGo"),
        ("https://www.bing.com/search", "Bing"),
        # Google's country domains and the paths that have names of their own
        ("https://www.google.com/", "Google"),
        ("https://www.google.co.uk/search", "Google"),
        ("https://google.com.au", "Google"),
        ("https://www.google.de/products", "Google Product Search"),
        ("https://images.google.fr/", "Google Images"),
        ("https://www.google.it/imgres?q", "Google Images"),
        ("https://news.google.com/", "Google News"),
        ("https://unknown.google.com/", "Google"),
        ("https://scholar.google.com/scholar", "Google"),
        ("https://scholar.google.co.uk/", "Google"),
        ("https://translate.google.com/", "Google"),
        ("https://google.example.com/", "google.example.com"),
        ("https://fr.search.yahoo.com/", "Yahoo!"),
        ("https://images.search.yahoo.com/", "Yahoo! Images"),
        ("https://yandex.ru/", "Yandex"),
        ("https://sub.mail.ru/", "Mail.ru"),
        # One name in two spellings: the later one counts
        ("https://email.t-online.de/", "T-Online"),
        ("https://mail.qip.ru/", "qip"),
        # A beginning that ends in a slash, which the path of a referral never does
        ("https://apollo.lv/portal/search/", "Apollo Latvia"),
        ("https://apollo.lv/portal/search/x", "Apollo Latvia"),
        ("https://apollo.lv/portal/searching", "apollo.lv"),
        ("https://apollo.lv/", "apollo.lv"),
    ],
)
def test_hosts(referrer: str, source: str) -> None:
    assert source_of({}, parse_referral(referrer, "example.com")) == source


def test_no_referrer_is_no_source() -> None:
    assert source_of({}, None) == ""


@given(st.text(max_size=400))
def test_any_host_has_a_name(host: str) -> None:
    referral = parse_referral(f"https://{host}/x", "example.com")
    assert referral is None or source_of({}, referral)
