import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.enrichment.channel import OTHERWISE, RULES, acquisition_channel


@pytest.mark.parametrize(
    ("source", "medium", "campaign", "tag", "click_id", "channel"),
    [
        ("", "", "my-Cross-Network-x", "", "", "Cross-network"),
        ("Google", "Display", "", "", "gclid", "Display"),
        ("", "cpm", "", "", "", "Display"),
        ("", "banner", "", "", "", "Display"),
        ("amazon.com", "cpc", "", "", "", "Paid Shopping"),
        ("", "cpc", "spring-shopping", "", "", "Paid Shopping"),
        ("", "paid", "shop", "", "", "Paid Shopping"),
        ("Google", "", "", "adwords", "", "Paid Search"),
        ("Google", "cpc", "", "", "", "Paid Search"),
        ("Google", "(gclid)", "", "", "gclid", "Paid Search"),
        ("Bing", "", "", "", "msclkid", "Paid Search"),
        ("Bing", "", "", "", "gclid", "Organic Search"),
        ("Facebook", "paid-social", "", "", "", "Paid Social"),
        ("Facebook", "", "", "fb-ads", "", "Paid Social"),
        ("Youtube", "ppc", "", "", "", "Paid Video"),
        ("Youtube", "", "", "yt-ads", "", "Paid Video"),
        ("", "retargeting", "", "", "", "Paid Other"),
        ("x.example", "CPC", "", "", "", "Paid Other"),
        ("amazon.com", "", "", "", "", "Organic Shopping"),
        ("temu.com", "", "", "", "", "Organic Shopping"),
        ("", "", "the shop", "", "", "Organic Shopping"),
        ("", "", "eshop", "", "", "Organic Shopping"),
        ("", "", "workshop", "", "", "Direct"),
        ("X (Twitter)", "", "", "", "", "Organic Social"),
        ("Hacker News", "", "", "", "", "Organic Social"),
        ("", "social-media", "", "", "", "Organic Social"),
        ("Youtube", "", "", "", "", "Organic Video"),
        ("", "in-video", "", "", "", "Organic Video"),
        ("ChatGPT", "", "", "", "", "AI Assistants"),
        ("Microsoft Copilot", "", "", "", "", "AI Assistants"),
        ("Kagi", "", "", "", "", "Organic Search"),
        ("Gmail", "", "", "", "", "Email"),
        ("", "e-mail", "", "", "", "Email"),
        ("", "", "", "my newsletter", "", "Email"),
        ("", "e_mail", "", "", "", "Email"),
        ("", "e mail", "", "", "", "Email"),
        ("", "affiliate", "", "", "", "Affiliates"),
        ("", "audio", "", "", "", "Audio"),
        ("sms", "", "", "sms", "", "SMS"),
        ("", "sms", "", "", "", "SMS"),
        ("", "web-push", "", "", "", "Mobile Push Notifications"),
        ("", "mobile-x", "", "", "", "Mobile Push Notifications"),
        ("firebase", "", "", "", "", "Mobile Push Notifications"),
        ("", "referral", "", "", "", "Referral"),
        ("somewhere.example", "", "", "", "", "Referral"),
        ("", "", "", "", "", "Direct"),
        ("", "other", "other", "other", "fbclid", "Direct"),
    ],
)
def test_channels(
    source: str, medium: str, campaign: str, tag: str, click_id: str, channel: str
) -> None:
    assert acquisition_channel(source, medium, campaign, tag, click_id) == channel


@pytest.mark.parametrize(
    ("source", "channel"),
    [
        ("Twitter", "Organic Social"),
        ("X (Twitter)", "Referral"),
        ("Bluesky", "Referral"),
        ("Mastodon", "Referral"),
        ("Discord", "Organic Social"),
        ("chatgpt.com", "Organic Search"),
        ("ChatGPT", "Referral"),
        ("Claude", "Referral"),
        ("Perplexity", "Organic Search"),
        ("Kagi", "Referral"),
        ("Brave", "Organic Search"),
    ],
)
def test_channels_before_june_2026(source: str, channel: str) -> None:
    assert acquisition_channel(source, "", "", "", "", older=True) == channel


@given(st.text(), st.text(), st.text(), st.text(), st.sampled_from(["", "gclid", "msclkid"]))
def test_everything_has_a_channel(
    source: str, medium: str, campaign: str, tag: str, click_id: str
) -> None:
    channels = {channel for channel, _ in RULES} | {OTHERWISE}
    assert acquisition_channel(source, medium, campaign, tag, click_id) in channels
