import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.enrichment.referrer import parse_referral
from ingest.enrichment.source import older_source, source_of, tagged


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
        ("wikipedia", "Wikipedia"),
        ("microsoft 365", "Microsoft 365"),
        ("Claude.ai", "Claude"),
        ("qip", "qip"),
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
        # One name in two spellings: each host keeps its own
        ("https://email.t-online.de/", "T-online"),
        ("https://suche.t-online.de/", "T-Online"),
        ("https://mail.qip.ru/", "QIP"),
        ("https://search.qip.ru/", "qip"),
        # Search engines, networks and instances that Plausible does not name
        ("https://www.startpage.com/", "startpage.com"),
        ("https://soundcloud.com/", "soundcloud.com"),
        ("https://you.com/search", "you.com"),
        ("https://mastodon.art/@a", "mastodon.art"),
        ("https://discord.gg/x", "discord.gg"),
        ("https://search.gmx.com/", "search.gmx.com"),
        ("https://lycos.example/", "lycos.example"),
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


@pytest.mark.parametrize(
    ("referrer", "newest", "older"),
    [
        ("https://x.com/a", "X (Twitter)", "x.com"),
        ("https://t.co/a", "X (Twitter)", "Twitter"),
        ("https://mobile.twitter.com/a", "X (Twitter)", "Twitter"),
        ("android-app://com.twitter.android", "X (Twitter)", "Twitter"),
        ("https://bsky.app/", "Bluesky", "bsky.app"),
        ("https://go.bsky.app/", "Bluesky", "go.bsky.app"),
        ("https://mastodon.social/@a", "Mastodon", "mastodon.social"),
        ("https://chatgpt.com/c/1", "ChatGPT", "chatgpt.com"),
        ("https://Claude.ai/", "Claude", "Claude.ai"),
        ("https://poe.com/x", "Poe", "poe.com"),
        ("https://gemini.google.com/app", "Google Gemini", "Google"),
        ("https://www.perplexity.ai/", "Perplexity", "Perplexity"),
        ("https://pplx.ai/", "Perplexity", "pplx.ai"),
        ("https://kagi.com/search", "Kagi", "kagi.com"),
        ("https://excel.officeapps.live.com/x", "Microsoft 365", "excel.officeapps.live.com"),
        ("https://en.wikipedia.org/wiki", "Wikipedia", "Wikipedia"),
        ("https://l.threads.com/", "Threads", "Threads"),
        ("https://google.de/products/a", "Google Product Search", "Google Product Search"),
        ("https://markosaric.com/" + "p" * 400, "markosaric.com", "markosaric.com"),
        ("android-app://org.example.app", *["android-app://org.example.app"] * 2),
    ],
)
def test_both_ages_of_hosts(referrer: str, newest: str, older: str) -> None:
    referral = parse_referral(referrer, "example.com")
    assert referral is not None
    source = source_of({}, referral)
    assert source == newest
    assert older_source(source, "", referral.referrer) == older
    # A renamed source stays what it is.
    assert older_source(older, "", referral.referrer) == older


@pytest.mark.parametrize(
    ("tag", "newest", "older"),
    [
        ("twitter", "X (Twitter)", "Twitter"),
        ("Twitter-Ads", "X (Twitter)", "Twitter"),
        ("x.com", "X (Twitter)", "x.com"),
        ("X (Twitter)", "X (Twitter)", "X (Twitter)"),
        ("chatgpt.com", "ChatGPT", "chatgpt.com"),
        ("copilot", "Microsoft Copilot", "copilot"),
        ("mastodon", "Mastodon", "mastodon"),
        ("wikipedia", "Wikipedia", "Wikipedia"),
        ("fb", "Facebook", "Facebook"),
        ("newsletter", "newsletter", "newsletter"),
    ],
)
def test_both_ages_of_tags(tag: str, newest: str, older: str) -> None:
    assert source_of({"utm_source": tag}, None) == newest
    assert older_source(newest, tag, "twitter.com") == older


def test_no_source_is_none_in_both_ages() -> None:
    # An empty tag hides the referrer.
    assert older_source("", "", "twitter.com/a") == ""
