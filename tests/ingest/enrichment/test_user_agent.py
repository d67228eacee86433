import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from ingest.enrichment import user_agent
from ingest.enrichment.user_agent import MAX_LENGTH, Client, describe, forget
from ingest.model.event import UNKNOWN_DEVICE, Device

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2_1 like Mac OS X) "
    "AppleWebKit/605.1.15 (KHTML, like Gecko) "
)
IPAD = "Mozilla/5.0 (iPad; CPU OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "


def android(model: str, version: str = "13") -> str:
    return (
        f"Mozilla/5.0 (Linux; Android {version}; {model}) AppleWebKit/537.36 (KHTML, like Gecko) "
    )


# agent, (browser, version, operating system, version, screen size)
PEOPLE = {
    # Desktop
    "chrome-mac-spec": (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_4) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/70.0.3538.110 Safari/537.36",
        ("Chrome", "70.0", "Mac", "10.13", "Desktop"),
    ),
    "chrome-windows": (
        WINDOWS + "Chrome/131.0.0.0 Safari/537.36",
        ("Chrome", "131.0", "Windows", "10", "Desktop"),
    ),
    "chrome-linux": (
        LINUX + "Chrome/131.0.0.0 Safari/537.36",
        ("Chrome", "131.0", "GNU/Linux", "", "Desktop"),
    ),
    "chrome-os": (
        "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Safari/537.36",
        ("Chrome", "131.0", "Chrome OS", "14541.0", "Desktop"),
    ),
    "chromium-ubuntu": (
        LINUX + "Ubuntu Chromium/80.0.3987.87 Chrome/80.0.3987.87 Safari/537.36",
        ("Chromium", "80.0", "Ubuntu", "", "Desktop"),
    ),
    "chrome-windows-8.1": (
        "Mozilla/5.0 (Windows NT 6.3; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/100.0.4896.127 Safari/537.36",
        ("Chrome", "100.0", "Windows", "8.1", "Desktop"),
    ),
    "edge": (
        WINDOWS + "Chrome/122.0.0.0 Safari/537.36 Edg/122.0.0.0",
        ("Microsoft Edge", "122.0", "Windows", "10", "Desktop"),
    ),
    "opera": (
        WINDOWS + "Chrome/120.0.0.0 Safari/537.36 OPR/106.0.0.0",
        ("Opera", "106.0", "Windows", "10", "Desktop"),
    ),
    "vivaldi": (
        WINDOWS + "Chrome/120.0.0.0 Safari/537.36 Vivaldi/6.5.3206.39",
        ("Vivaldi", "6.5", "Windows", "10", "Desktop"),
    ),
    "yandex": (
        WINDOWS + "Chrome/122.0.0.0 YaBrowser/24.4.0.0 Safari/537.36",
        ("Yandex Browser", "24.4", "Windows", "10", "Desktop"),
    ),
    "coc-coc": (
        WINDOWS + "coc_coc_browser/117.0.180 Chrome/111.0.5563.180 Safari/537.36",
        ("Coc Coc", "117.0", "Windows", "10", "Desktop"),
    ),
    "firefox-windows-7": (
        "Mozilla/5.0 (Windows NT 6.1; rv:52.0) Gecko/20100101 Firefox/52.0",
        ("Firefox", "52.0", "Windows", "7", "Desktop"),
    ),
    "firefox-windows-xp": (
        "Mozilla/5.0 (Windows NT 5.1; rv:52.0) Gecko/20100101 Firefox/52.9",
        ("Firefox", "52.9", "Windows", "XP", "Desktop"),
    ),
    "firefox-ubuntu": (
        "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
        ("Firefox", "133.0", "Ubuntu", "", "Desktop"),
    ),
    "firefox-fedora": (
        "Mozilla/5.0 (X11; Fedora; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
        ("Firefox", "133.0", "Fedora", "", "Desktop"),
    ),
    "firefox-freebsd": (
        "Mozilla/5.0 (X11; FreeBSD amd64; rv:109.0) Gecko/20100101 Firefox/115.0",
        ("Firefox", "115.0", "FreeBSD", "", "Desktop"),
    ),
    "safari-mac": (
        MAC + "Version/17.2 Safari/605.1.15",
        ("Safari", "17.2", "Mac", "10.15", "Desktop"),
    ),
    "safari-26-tells-the-system": (
        MAC + "Version/26.1 Safari/605.1.15",
        ("Safari", "26.1", "Mac", "26.1", "Desktop"),
    ),
    "duckduckgo-mac": (
        MAC + "Version/17.2 Safari/605.1.15 Ddg/17.2",
        ("DuckDuckGo Privacy Browser", "17.2", "Mac", "10.15", "Desktop"),
    ),
    "webkit-without-a-browser": (MAC, ("Safari", "", "Mac", "10.15", "Desktop")),
    "internet-explorer-11": (
        "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
        ("Internet Explorer", "11.0", "Windows", "10", "Desktop"),
    ),
    "internet-explorer-tablet-pc": (
        "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0; Tablet PC 2.0)",
        ("Internet Explorer", "10.0", "Windows", "8", "Desktop"),
    ),
    "slack": (
        WINDOWS + "Slack/4.35.126 Chrome/118.0.5993.159 Electron/27.0 Safari/537.36",
        ("Mobile App", "", "Windows", "10", "Desktop"),
    ),
    # Phones
    "chrome-android": (
        ANDROID + "Chrome/131.0.0.0 Mobile Safari/537.36",
        ("Chrome", "131.0", "Android", "10", "Mobile"),
    ),
    "chrome-ios": (
        IPHONE + "CriOS/120.0.6099.119 Mobile/15E148 Safari/604.1",
        ("Chrome", "120.0", "iOS", "17.2", "Mobile"),
    ),
    "safari-ios": (
        IPHONE + "Version/17.2 Mobile/15E148 Safari/604.1",
        ("Safari", "17.2", "iOS", "17.2", "Mobile"),
    ),
    "safari-ios-26": (
        IPHONE.replace("17_2_1", "18_7") + "Version/26.6 Mobile/15E148 Safari/604.1",
        ("Safari", "26.6", "iOS", "26.6", "Mobile"),
    ),
    "ios-web-view": (IPHONE + "Mobile/15E148", ("Safari", "", "iOS", "17.2", "Mobile")),
    "firefox-android": (
        "Mozilla/5.0 (Android 13; Mobile; rv:119.0) Gecko/119.0 Firefox/119.0",
        ("Firefox", "119.0", "Android", "13", "Mobile"),
    ),
    "firefox-ios": (
        IPHONE + "FxiOS/121.0 Mobile/15E148 Safari/605.1.15",
        ("Firefox", "121.0", "iOS", "17.2", "Mobile"),
    ),
    "edge-android": (
        ANDROID + "Chrome/122.0.0.0 Mobile Safari/537.36 EdgA/122.0.0.0",
        ("Microsoft Edge", "122.0", "Android", "10", "Mobile"),
    ),
    "edge-ios": (
        IPHONE + "Version/17.0 EdgiOS/120.0.2210.150 Mobile/15E148 Safari/605.1.15",
        ("Microsoft Edge", "120.0", "iOS", "17.2", "Mobile"),
    ),
    "samsung": (
        ANDROID + "SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36",
        ("Samsung Browser", "23.0", "Android", "10", "Mobile"),
    ),
    "opera-android": (
        ANDROID + "Chrome/119.0.0.0 Mobile Safari/537.36 OPR/79.0.0.0",
        ("Opera", "79.0", "Android", "10", "Mobile"),
    ),
    "opera-touch": (
        IPHONE + "Version/17.0 Mobile/15E148 Safari/604.1 OPT/4.5.0",
        ("Opera Touch", "4.5", "iOS", "17.2", "Mobile"),
    ),
    "opera-mini": (
        "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/29.3709; U; en) Presto/2.8.119 Version/11.10",
        ("Opera", "7.1", "Java ME", "", "Mobile"),
    ),
    "uc-browser": (
        "Mozilla/5.0 (Linux; U; Android 11; en-US; RMX2185 Build/RP1A) AppleWebKit/537.36 (KHTML, "
        "like Gecko) Version/4.0 Chrome/100.0 UCBrowser/13.4.0.1306 Mobile Safari/537.36",
        ("UC Browser", "13.4", "Android", "11", "Mobile"),
    ),
    "xiaomi-is-no-opera-tv": (
        "Mozilla/5.0 (Linux; U; Android 13; en-us; Redmi Note 12 Build/TKQ1) AppleWebKit/537.36 "
        "(KHTML, like Gecko) Version/4.0 Chrome/100.0.4896.127 Mobile Safari/537.36 "
        "XiaoMi/MiuiBrowser/14.4.1-g",
        ("Mi Browser", "14.4", "Android", "13", "Mobile"),
    ),
    "harmony-os": (
        android("HarmonyOS; NOH-AN00; HMSCore 6.9.0", "12")
        + "Chrome/99.0.4844.88 HuaweiBrowser/13.0.1.302 Mobile Safari/537.36",
        ("Huawei Browser Mobile", "13.0", "HarmonyOS", "", "Mobile"),
    ),
    "whale": (
        ANDROID + "Chrome/108.0.0.0 Whale/1.0.0.0 Mobile Safari/537.36",
        ("Whale Browser", "1.0", "Android", "10", "Mobile"),
    ),
    "ecosia": (
        ANDROID + "Chrome/119.0.6045.0 Mobile Safari/537.36 (Ecosia android@119.0.6045.0)",
        ("Ecosia", "119.0", "Android", "10", "Mobile"),
    ),
    "kai-os": (
        "Mozilla/5.0 (Mobile; Nokia_2720_Flip; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5.2",
        ("Firefox", "48.0", "KaiOS", "2.5", "Mobile"),
    ),
    "cubot-is-no-bot": (
        android("CUBOT X18 Plus", "8.0.0") + "Chrome/90.0.4430.91 Mobile Safari/537.36",
        ("Chrome", "90.0", "Android", "8.0", "Mobile"),
    ),
    "android-build-on-the-crawler-list": (
        android("RMX6688 Build/AP3A.240617.008", "15")
        + "Chrome/130.0.6723.58 Mobile Safari/537.36",
        ("Chrome", "130.0", "Android", "15", "Mobile"),
    ),
    # Browsers inside apps
    "android-web-view-keeps-its-version": (
        android("SM-G991B; wv") + "Version/4.0 Chrome/120.0.6099.144 Mobile Safari/537.36",
        ("Mobile App", "120.0", "Android", "13", "Mobile"),
    ),
    "instagram-android": (
        android("SM-G991B; wv")
        + "Version/4.0 Chrome/120.0.6099.144 Mobile Safari/537.36 Instagram 310.0.0.37.328 Android",
        ("Mobile App", "", "Android", "13", "Mobile"),
    ),
    "facebook-ios": (
        IPHONE + "Mobile/21C66 [FBAN/FBIOS;FBAV/443.0.0.23.229;FBBV/545127585;FBDV/iPhone14,5;"
        "FBMD/iPhone;FBSN/iOS;FBSV/17.2.1;FBSS/3;FBID/phone;FBLC/en_US;FBOP/5]",
        ("Mobile App", "", "iOS", "17.2", "Mobile"),
    ),
    "facebook-android-iab": (
        android("Pixel 7 Build/UQ1A; wv") + "Version/4.0 Chrome/120.0.6099.144 Mobile "
        "Safari/537.36 [FB_IAB/FB4A;FBAV/443.0.0.23.229;IABMV/1;] MetaIAB Facebook",
        ("Mobile App", "", "Android", "13", "Mobile"),
    ),
    "google-app": (
        IPHONE + "GSA/300.0.598994205 Mobile/15E148 Safari/604.1",
        ("Mobile App", "", "iOS", "17.2", "Mobile"),
    ),
    "linkedin": (
        IPHONE + "Mobile/15E148 [LinkedInApp]/9.29.1234",
        ("Mobile App", "", "iOS", "17.2", "Mobile"),
    ),
    "tiktok": (
        IPHONE + "Mobile/15E148 musical_ly_32.5.0 JsSdk/2.0 BytedanceWebview/d8a21c6",
        ("Mobile App", "", "iOS", "17.2", "Mobile"),
    ),
    "wechat": (
        IPHONE + "Mobile/15E148 MicroMessenger/8.0.44(0x18002c2f) NetType/WIFI Language/en",
        ("Mobile App", "", "iOS", "17.2", "Mobile"),
    ),
    "viber": (
        android("SM-F966N; wv") + "Version/4.0 Chrome/145.0.7632.120 Mobile Safari/537.36 "
        "Viber/27.4.0.0",
        ("Mobile App", "", "Android", "13", "Mobile"),
    ),
    "app-on-cfnetwork": (
        "Podcat/8577 CFNetwork/1408.0.4 Darwin/22.5.0",
        ("Mobile App", "", "iOS", "16.5", ""),
    ),
    # Tablets, and what counts as one
    "ipad": (
        IPAD + "Version/17.2 Mobile/15E148 Safari/604.1",
        ("Safari", "17.2", "iPadOS", "17.2", "Tablet"),
    ),
    "ipad-before-ipados": (
        IPAD.replace("17_2", "12_5") + "Version/12.1 Mobile/15E148 Safari/604.1",
        ("Safari", "12.1", "iOS", "12.5", "Tablet"),
    ),
    "android-tablet": (
        android("SM-X710") + "Chrome/120.0.0.0 Safari/537.36",
        ("Chrome", "120.0", "Android", "13", "Tablet"),
    ),
    "android-tablet-saying-mobile": (
        android("SM-T295", "11") + "Chrome/120.0.0.0 Mobile Safari/537.36",
        ("Chrome", "120.0", "Android", "11", "Tablet"),
    ),
    "firefox-tablet": (
        "Mozilla/5.0 (Android 12; Tablet; rv:114.0) Gecko/114.0 Firefox/114.0",
        ("Firefox", "114.0", "Android", "12", "Tablet"),
    ),
    "fire-tablet": (
        android("KFTRWI", "11") + "Silk/120.4.1 like Chrome/120.0.6099.199 Safari/537.36",
        ("Mobile Silk", "120.4", "Fire OS", "8", "Tablet"),
    ),
    "tesla": (
        "Mozilla/5.0 (X11; GNU/Linux) AppleWebKit/537.36 (KHTML, like Gecko) Chromium/79.0.3945.130"
        " Chrome/79.0.3945.130 Safari/537.36 Tesla/2020.16.2.1-e99c70fff409",
        ("Chromium", "79.0", "GNU/Linux", "", "Tablet"),
    ),
    # Wearables, television sets, consoles
    "apple-watch": (
        "Darwin/24.5.0 (Watch7,8; watchOS 11.4) MatomoTrackerSDK/7.7.0",
        ("", "", "watchOS", "11.4", "Mobile"),
    ),
    "quest": (
        "Mozilla/5.0 (X11; Linux x86_64; Quest 2) AppleWebKit/537.36 (KHTML, like Gecko) "
        "OculusBrowser/22.2.0.3.39 SamsungBrowser/4.0 Chrome/102.0.5005.148 VR Safari/537.36",
        ("Oculus Browser", "22.2", "Meta Horizon", "", "Mobile"),
    ),
    "samsung-tv": (
        "Mozilla/5.0 (Linux; Tizen 6.0; SMART-TV) AppleWebKit/537.36 (KHTML, like Gecko) "
        "SamsungBrowser/3.1 Chrome/76.0.3809.146 TV Safari/537.36",
        ("Samsung Browser", "3.1", "Tizen", "6.0", "Desktop"),
    ),
    "android-tv": (
        android("BRAVIA 4K VH2 Build/RTT2", "11") + "Chrome/120.0.0.0 Safari/537.36",
        ("Chrome", "120.0", "Android TV", "11", "Desktop"),
    ),
    "fire-tv": (
        android("AFTMM Build/PS7633", "7.1.2")
        + "Silk/120.4.1 like Chrome/120.0.6099.199 Safari/537.36",
        ("Mobile Silk", "120.4", "Fire OS", "6", "Desktop"),
    ),
    "lg-tv": (
        "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/94.0.4606.128 Safari/537.36 WebAppManager",
        ("Chrome", "94.0", "webOS", "23", "Desktop"),
    ),
    "hbbtv": (
        "Mozilla/5.0 (Linux mips; U;HbbTV/1.1.1 (+RTSP;DMM;Dreambox;0.1a;1.0;) CE-HTML/1.0; en)",
        ("", "", "GNU/Linux", "", "Desktop"),
    ),
    "xbox": (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) AppleWebKit/537.36 (KHTML, like "
        "Gecko) Chrome/120.0.0.0 Safari/537.36 Edge/44.18363.8131",
        ("Microsoft Edge", "44.18363", "Windows", "10", "Desktop"),
    ),
    "nintendo": (
        "Mozilla/5.0 (Nintendo Switch; WifiWebAuthApplet) AppleWebKit/609.4 (KHTML, like Gecko) "
        "NF/6.0.3.25.0 NintendoBrowser/5.1.0.33533",
        ("Nintendo Browser", "5.1", "Nintendo", "Switch", "Desktop"),
    ),
}


@pytest.mark.parametrize(("agent", "expected"), PEOPLE.values(), ids=PEOPLE)
def test_describes_what_people_use(agent: str, expected: tuple[str, ...]) -> None:
    client = describe(agent)

    assert astuple(client.device) == expected
    assert not client.is_bot
    assert not client.is_library
    assert not client.is_unwanted(drop_server_clients=True)


def test_describes_the_playstation() -> None:
    device = describe(
        "Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/13.0 Safari/605.1.15"
    ).device

    assert (device.operating_system, device.operating_system_version, device.screen_size) == (
        "PlayStation",
        "5.2",
        "Desktop",
    )


BOTS = {
    "googlebot": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "googlebot-phone": "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/"
    "537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36 "
    "(compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "bingbot": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; "
    "+http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
    "yandex": "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "sogou": "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
    "gptbot": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.1; "
    "+https://openai.com/gptbot)",
    "facebook-preview": "facebookexternalhit/1.1",
    "whatsapp-preview": "WhatsApp/2.23.20.0",
    "headless-chrome": LINUX + "HeadlessChrome/131.0.0.0 Safari/537.36",
    "lighthouse": LINUX + "Chrome/131.0.0.0 Safari/537.36 Chrome-Lighthouse",
    "pingdom": "Mozilla/5.0 (compatible; Pingdom.com_bot_version_1.4_(http://www.pingdom.com/))",
    "unlisted-with-a-url": "Mozilla/5.0 (compatible; Frobnicator/1.0; +https://example.com/about)",
    "unlisted-crawler": "ExampleCrawler/2.0",
    "load-balancer": "ELB-HealthChecker/2.0",
    "library-with-a-name-of-its-own": "python-requests/2.31 (compatible; ExampleBot/1.0)",
    "scrapy": "Scrapy/2.11.0 (+https://scrapy.org)",
}


@pytest.mark.parametrize("agent", BOTS.values(), ids=BOTS)
def test_bots_are_bots_where_libraries_are_accepted(agent: str) -> None:
    client = describe(agent)

    assert client == Client(UNKNOWN_DEVICE, is_bot=True)
    assert client.is_unwanted(drop_server_clients=False)


LIBRARIES = {
    "axios/1.6.2": Device("Axios", "1.6"),
    "Dart/3.2 (dart:io)": Device("Dart", "3.2"),
    "python-requests/2.31.0": Device("Python Requests", "2.31"),
    "Shop/2.4 okhttp/4.12.0": Device("OkHttp", "4.12"),
    "Shop/2.4 (Linux; Android 14; Pixel 8) okhttp/4.12.0": Device(
        "OkHttp", "4.12", "Android", "14", "Mobile"
    ),
}


@pytest.mark.parametrize(("agent", "expected"), LIBRARIES.items(), ids=LIBRARIES)
def test_libraries_are_accepted_unless_the_site_drops_them(agent: str, expected: Device) -> None:
    client = describe(agent)

    assert client == Client(expected, is_library=True)
    assert not client.is_unwanted(drop_server_clients=False)
    assert client.is_unwanted(drop_server_clients=True)


@pytest.mark.parametrize(
    "agent",
    ["nodejs-thing", "curling club", "Javelin/1.0", "rubyist", "My python-requests"],
)
def test_other_products_that_begin_alike_are_no_libraries(agent: str) -> None:
    assert not describe(agent).is_library


@pytest.mark.parametrize(
    "agent", [None, "", "unknown UA", "\x00", " ", "Mozilla/5.0", "\ud800", "ж" * 100]
)
def test_what_says_nothing_is_unknown_and_no_bot(agent: str | None) -> None:
    assert describe(agent) == Client(UNKNOWN_DEVICE)


@given(st.text(st.characters(), max_size=2000))  # with lone surrogates
def test_no_text_raises(agent: str) -> None:
    describe(agent)


@given(
    st.lists(
        st.sampled_from(
            [
                "Mozilla/5.0 (",
                "Linux; Android ",
                "iPad",
                "OS ",
                "²",
                "9",
                "_",
                ".",
                "/",
                "04",
                " ",
                "Version/26.",
                "Chrome/",
                "PlayStation ",
                "python/",
                "node",
                "KFTT",
                "Safari/",
                ")",
            ]
        ),
        max_size=40,
    ).map("".join)
)
def test_no_near_agent_raises(agent: str) -> None:
    device = describe(agent).device
    for version in (device.browser_version, device.operating_system_version):
        assert version.count(".") <= 1


@pytest.mark.parametrize("size", [MAX_LENGTH, MAX_LENGTH + 1, 16 << 10, 64 << 10])
@pytest.mark.parametrize("pattern", ["Bot", "HTC ", "; Android 1", "Mozilla/5.0 (", "a/1.", "é"])
def test_of_a_hostile_agent_little_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, pattern: str, size: int
) -> None:
    """Uncut, 64 KiB take the patterns a hundred times as long."""
    looked_at: list[str] = []

    def look(agent: str) -> None:
        looked_at.append(agent)

    monkeypatch.setattr(user_agent, "find_library", look)
    forget()
    agent = (pattern * size)[:size]
    describe(agent)
    forget()
    assert looked_at == [agent[:MAX_LENGTH]]


def test_agents_that_differ_beyond_what_is_looked_at_are_remembered_as_one() -> None:
    forget()
    for end in ("a", "b", "c"):
        describe("x" * MAX_LENGTH + end)
    assert user_agent._describe.cache_info().currsize == 1


def test_only_the_beginning_of_an_agent_is_parsed() -> None:
    agent = WINDOWS + "Chrome/131.0.0.0 Safari/537.36"
    assert len(agent) < MAX_LENGTH

    assert describe(agent.ljust(MAX_LENGTH) + "Googlebot/2.1") == describe(agent)


def test_leading_zeros_of_versions_are_kept() -> None:
    agent = "Mozilla/5.0 (X11; U; Linux; en-US) Gecko Ubuntu/10.04 (lucid) Firefox/3.6.12"

    assert describe(agent).device.operating_system_version == "10.04"
