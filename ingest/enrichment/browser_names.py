"""Names of browsers and other clients.

The names are those of Matomo's device detection after the renames of spec/enrichment.md §2, so that
rows from both sources can be grouped. A family of ua-parser that is not listed keeps its name.
"""

from types import MappingProxyType
from typing import Final

MOBILE_APP: Final = "Mobile App"

BROWSERS: Final = MappingProxyType(
    {
        "Amazon Silk": "Mobile Silk",
        "Android": "Android Browser",
        "AOL Desktop Gold Browser": "AOL Desktop",
        "AVG": "AVG Secure Browser",
        "Apple Mail": "Safari",
        "Apple Watch App": "",
        "AppleWebKit": "Safari",
        "Atom Browser": "Atom",
        "Avast": "Avast Secure Browser",
        "BlackBerry": "BlackBerry Browser",
        "BlackBerry WebKit": "BlackBerry Browser",
        "Bon Echo": "Firefox",
        "Chrome Mobile": "Chrome",
        "Chrome Mobile WebView": MOBILE_APP,
        "Chrome Mobile iOS": "Chrome",
        "Dragon": "IceDragon",
        "Dolfin": "Dolphin",
        "DuckDuckGo": "DuckDuckGo Privacy Browser",
        "DuckDuckGo Mobile": "DuckDuckGo Privacy Browser",
        "Ecosia Android": "Ecosia",
        "Ecosia iOS": "Ecosia",
        "Edge": "Microsoft Edge",
        "Edge Mobile": "Microsoft Edge",
        "Epiphany": "GNOME Web",
        "Espial": "Espial TV Browser",
        "Firefox (Minefield)": "Firefox",
        "Firefox (Shiretoko)": "Firefox",
        "Firefox Alpha": "Firefox",
        "Firefox Beta": "Firefox",
        "Firefox Mobile": "Firefox",
        "Firefox iOS": "Firefox",
        "GranParadiso": "Firefox",
        "HbbTV": "",
        "HiBrowser": "Hi Browser",
        "Huawei Browser": "Huawei Browser Mobile",
        "IE": "Internet Explorer",
        "MiuiBrowser": "Mi Browser",
        "Mobile Safari": "Safari",
        "Mobile Safari UI/WKWebView": "Safari",
        "Namoroka": "Firefox",
        "NetFront NX": "NetFront",
        "Ninesky Browser": "NineSky",
        "Opera Mini": "Opera",
        "Opera Mobile": "Opera",
        "Opera Tablet": "Opera",
        "Other": "",
        "Palemoon": "Pale Moon",
        "Puffin": "Puffin Web Browser",
        "QQ Browser Mobile": "QQ Browser",
        "Qt Web Engine": "QtWebEngine",
        "Samsung Internet": "Samsung Browser",
        "Seznam prohlížeč": "Seznam Browser",
        "Teleca Browser": "Obigo",
        "UP.Browser": "Openwave Mobile Browser",
        "Vewd Browser": "Opera Devices",
        "VivoBrowser": "vivo Browser",
        "WebKit Nightly": "Safari",
        "Whale": "Whale Browser",
        "YandexSearch": "Yandex Browser",
    }
)

_VERSION: Final = r"[/ :]?v?([0-9]+)(?:\.([0-9]+))?"

_PRODUCTS: Final = MappingProxyType(
    {
        r"360 Aphone Browser \(": "360 Phone Browser",
        r"\bABB/": "AdBlock Browser",
        r"ANTGalio": "ANTGalio",
        r"; AOL ": "AOL Explorer",
        r"Akregator": "Akregator",
        r"\bAlexa(?:Service| Mobile Voice|MediaPlayer)/": "Alexa",
        r"Audacious": "Audacious",
        r"BDSpark": "Baidu Spark",
        r"\bbdbrowser(?:_i18n)?": "Baidu Browser",
        r"Bunjalloo": "Bunjalloo",
        r"Cheshire": "Cheshire",
        r"ChromePlus": "ChromePlus",
        r"Deezer": "Deezer",
        r"DoCoMo/": "DoCoMo",
        r"EUI Browser": "EUI Browser",
        r"FeedDemon": "FeedDemon",
        r"Fireweb Navigator": "Fireweb Navigator",
        r"\bFocus/": "Firefox Focus",
        r"FxiOS": "Firefox",
        r"GOGGalaxyClient": "GOG Galaxy",
        r"Hawk/QuickBrowser": "Hawk Quick Browser",
        r"HeyTapBrowser": "HeyTapBrowser",
        r"\bKlar/": "Firefox Klar",
        r"Kodi/": "Kodi",
        r"Kylo": "Kylo",
        r"LG Browser": "LG Browser",
        r"LieBaoFast": "LieBaoFast",
        r"Liferea": "Liferea",
        r"MIB/": "Motorola Internet Browser",
        r"MZBrowser": "Meizu Browser",
        r"MobileLenovoBrowser": "Lenovo Browser",
        r"MusicBee": "MusicBee",
        r"Newsboat": "Newsboat",
        r"newsbeuter": "Newsbeuter",
        r"NintendoBrowser": "Nintendo Browser",
        r"NoxBrowser": "Nox Browser",
        r"OMI/": "Opera Devices",
        r"\bOdd/": "Odd Browser",
        r"\bOdin/": "Odin",
        r"OneBrowser": "ONE Browser",
        r"PiBrowser": "Pi Browser",
        r"PicoBrowser": "PICO Browser",
        r"\bQuark/": "Quark",
        r"Quick Search TV": "Quick Search TV",
        r"RSSOwl": "RSSOwl",
        r"RokuBrowser": "Roku Browser",
        r"SRAF": "Seraphic Sraf",
        r"Sleipnir": "Sleipnir",
        r"SogouMobileBrowser": "Sogou Mobile Browser",
        r"Sonos/": "SONOS",
        r"SputnikBrowser": "Sputnik Browser",
        r"TV Bro": "TV Bro",
        r"Tbrowser/": "T-Browser",
        r"UCTurbo": "UC Browser Turbo",
        r"\bWIB/": "Wear Internet Browser",
        r"Web Explorer": "Web Explorer",
        r"Wolvic": "Wolvic",
        r"YaApp_Android": "Yandex Browser",
        r"YaBrowser": "Yandex Browser",
        r"YaSearchApp": "Yandex Browser",
        r"YaSearchBrowser": "Yandex Browser",
        r"YouViewHTML": "YouView",
        r"harmony360Browser": "Harmony 360 Browser",
        r"mailapp": "MailApp",
        r"mCent": "mCent",
    }
)
"""Products with a version, for agents in which ua-parser finds the browser that they are based
on."""

_VERSIONLESS: Final = MappingProxyType(
    {
        r"ACHEETAHI": "CM Browser",
        r"com\.tcl\.browser|tclwebkit": "BrowseHere",
        r"Dorado WAP": "Dorado",
        r"\bMAUI[ _-](?:WAP )?Browser|WAP Browser/MAUI": "MAUI WAP Browser",
        r"TansoDL": "Kode Browser",
        r"^Safari/?[0-9.]+ CFNetwork": "Safari",
    }
)
"""Such products without a version."""

BROWSER_PATTERNS: Final = (
    *((f"(?i){product}{_VERSION}", name) for product, name in _PRODUCTS.items()),
    (rf"OpenHarmony.*HuaweiBrowser{_VERSION}", "Huawei Browser"),
    (r"com\.huawei\.hmos\.browser", "Huawei Browser"),
    *_VERSIONLESS.items(),
)
"""Names of browsers in an agent, in order of precedence."""

ENGINE_PATTERNS: Final = (
    (r"(?i)^opera/.*\bversion/([0-9]+)\.([0-9]+)", "Opera"),
    (r"(?i)\bOPR/([0-9]+)\.([0-9]+)", "Opera"),
    (r"(?i)(?:\b|_)chromium[/_]([0-9]+)(?:\.([0-9]+))?", "Chromium"),
    (r"(?i)\b(?:chrome|crmo|crios)/?([0-9]+)(?:\.([0-9]+))?", "Chrome"),
    (r"(?i)\bfirefox/([0-9]+)\.([0-9]+)", "Firefox"),
    (r"(?i)\bnetfront/([0-9]+)\.([0-9]+)", "NetFront"),
    (r"(?i)\bMSIE ([0-9]+)\.([0-9]+)", "Internet Explorer"),
    (r"(?i)\btrident/.*rv:([0-9]+)\.([0-9]+)", "Internet Explorer"),
    (
        r"(?i)android.* (?:browser/apple|version/.*safari)|^mozilla.*android.*webkit",
        "Android Browser",
    ),
)
"""Engines of browsers, for agents in which ua-parser finds no browser or a word of the model."""

VERSIONLESS_BROWSERS: Final = frozenset(
    {"Android", "Apple Mail", "AppleWebKit", "Mobile Safari UI/WKWebView"}
)
"""Families whose version, as ua-parser gives it, is the system's."""

APPS: Final = frozenset(
    {
        "1PasswordThumbs",
        "Airmail",
        "Apple News",
        "Baidu Explorer",
        "Bing",
        "BingWeb",
        "CFNetwork",
        "Discord",
        "Downcast",
        "Electron",
        "Facebook",
        "Facebook Messenger",
        "Flipboard",
        "Google",
        "Google Earth",
        "Instacast",
        "Instagram",
        "KakaoTalk",
        "LINE",
        "LinkedIn",
        "Mail",
        "Mailbird",
        "Messages",
        "Microsoft SkyDriveSync",
        "MxNitro",
        "NAVER",
        "NetNewsWire",
        "Notion",
        "Outlook",
        "Overcast",
        "Pandora",
        "Pinterest",
        "Player FM",
        "Pocket Casts",
        "PodcastAddict",
        "Podcasts",
        "Postbox",
        "QQ",
        "Reeder",
        "Roblox App",
        "Slack Desktop Client",
        "Snapchat",
        "Spotify",
        "Superhuman",
        "Teams",
        "Telegram",
        "Thunderbird",
        "TikTok",
        "Tumblr",
        "Twitter",
        "WeChat",
        "WhatsApp",
        "WhiteHat Aviator",
        "Windows Live Mail",
        "Yahoo Mail",
        "iTunes",
    }
)
"""Families that are applications with an embedded browser: `Mobile App`, without a version."""

IN_APP_PATTERNS: Final = (
    r"\bFB(?:AN|AV|_IAB|IOS)\b|\bInstagram |\bWhatsApp/|\bBarcelona ",
    r"\bSnapchat|\bPinterest\b|LinkedInApp|\bTwitter for |\bReddit\b",
    r"musical_ly|BytedanceWebview|\btrill_",
    r"MicroMessenger|baiduboxapp|\bQQ/[0-9]|DingTalk|AlipayClient|\bWeibo|\bSogouSearch",
    r"\bLine/|KAKAOTALK|\bNAVER\(|\bZalo|\bViber",
    r"\bGSA/|BingSapphire|\bSlack/|\bTeams/|\bDiscord/|\bSkype|\bSpotify/",
    r"CFNetwork/",
    r"\bIPTV(?: Pro)?/|TiviMate|TuneIn|smzdm|\bPodLP/|ZONApp/|com\.google\.GooglePlus",
    r"^Microsoft Office\b|\bms-office\b|AndroidDownloadManager|^com\.google\.android|^Amazon;A",
    r"FancyPlayer",
    r"(?i)podcast|^[^/()]*(?:pod|cast|music|radio)[^/()]*(?:[/(]|$)",
)
"""Words of applications with or without an embedded browser."""
