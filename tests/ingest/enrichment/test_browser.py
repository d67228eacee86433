import pytest

from ingest.enrichment.browser import name_browser
from ingest.enrichment.parsed_agent import ParsedAgent

ANDROID = "Mozilla/5.0 (Linux; Android 12; Model X) AppleWebKit/537.36 (KHTML, like Gecko) "
OLD_ANDROID = (
    "Mozilla/5.0 (Linux; U; Android 4.2.2; en-us; Model X) AppleWebKit/534.30 (KHTML, like Gecko) "
    "Version/4.0 Mobile Safari/534.30"
)
CHROME = "Chrome/120.0.6099.1 Mobile Safari/537.36"
WEBOS = (
    "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/94.0.4606.128 Safari/537.36 HbbTV/1.6.1 (+DRM; LGE; MODEL; WEBOS23 03.20.23; X; Y;)"
)


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        # The model's words are no browser's.
        (ANDROID.replace("Model X", "M bot 54") + CHROME, ("Chrome", "120.0")),
        # A standard for television sets is no browser.
        (WEBOS, ("Chrome", "94.0")),
        ("HbbTV/1.2.1 (; VENDOR; MODEL; 1.0; 1.0;) NetFront/4.1", ("NetFront", "4.1")),
        (
            "Opera/9.80 (Linux mips; ) Presto/2.12.407 Version/12.51 HbbTV/1.1.1 (; V; M; 3; 1.0;)",
            ("Opera", "12.51"),
        ),
        # Browsers in which ua-parser sees what they are made of.
        (ANDROID + CHROME + " PiBrowser/1.6.1", ("Pi Browser", "1.6")),
        (ANDROID + CHROME + " MobileLenovoBrowser/8.5.1", ("Lenovo Browser", "8.5")),
        (ANDROID + CHROME + " ABB/3.4.5", ("AdBlock Browser", "3.4")),
        (ANDROID + "Version/4.0 Focus/8.0.9 " + CHROME, ("Firefox Focus", "8.0")),
        (OLD_ANDROID + " ACHEETAHI/2100502004", ("CM Browser", "")),
        ("TV Bro/1.0 " + ANDROID + CHROME, ("TV Bro", "1.0")),
        (
            "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/114.0.6099.287 Safari/537.36 ArkWeb/4.1.6.1 Mobile HuaweiBrowser/5.1.2.300",
            ("Huawei Browser", "5.1"),
        ),
        (ANDROID + CHROME + " HuaweiBrowser/13.0.1.302", ("Huawei Browser Mobile", "13.0")),
        ("Mozilla/4.0 (compatible; MSIE 6.0; AOL 8.0; Windows NT 5.1)", ("AOL Explorer", "8.0")),
        # Written in another way.
        ((ANDROID + CHROME).lower(), ("Chrome", "120.0")),
        (OLD_ANDROID, ("Android Browser", "")),
        (
            "Example_TD/1.0 Linux/3.4.5 Android/4.2 Release/1.1.2013 Browser/AppleWebKit534.30 "
            "Mobile Safari/534.30",
            ("Android Browser", ""),
        ),
        # Applications.
        ("Shop/2.4 (Linux;Android 13) ExoPlayerLib/2.18.2", ("Mobile App", "")),
        ("Shop/2.4 (iPhone; iOS 17.1; Scale/3.00)", ("Mobile App", "")),
        ("Microsoft Office Word/16.44 (Mac OS/11.1; Desktop; en-US)", ("Mobile App", "")),
        ("Example Podcasts/1.2", ("Mobile App", "")),
        ("Safari/9537.1 CFNetwork/673.1 Darwin/13.1.0 (x86_64)", ("Safari", "")),
        ("Shop/2.4 okhttp/4.12.0", ("OkHttp", "4.12")),
        ("curling club", ("", "")),
        ("", ("", "")),
    ],
)
def test_name_browser(agent: str, expected: tuple[str, str]) -> None:
    assert name_browser(ParsedAgent(agent)) == expected
