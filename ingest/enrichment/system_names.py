"""Names of operating systems in Matomo's device detection.

A family of ua-parser that is not listed counts as unknown. Most of these are television brands.
"""

from types import MappingProxyType
from typing import Final

OPERATING_SYSTEMS: Final = MappingProxyType(
    {
        "AIX": "AIX",
        "ATV OS X": "tvOS",
        "Android": "Android",
        "Arch Linux": "Arch Linux",
        "BREW": "Brew",
        "Bada": "Bada",
        "BlackBerry OS": "BlackBerry OS",
        "BlackBerry Tablet OS": "BlackBerry Tablet OS",
        "Brew MP": "Brew",
        "CentOS": "CentOS",
        "Chrome OS": "Chrome OS",
        "Chromecast Android": "Android",
        "Chromecast Fuchsia": "Fuchsia",
        "Chromecast Linux": "GNU/Linux",
        "Debian": "Debian",
        "DragonFly": "DragonFly",
        "Fedora": "Fedora",
        "Firefox OS": "Firefox OS",
        "FreeBSD": "FreeBSD",
        "Fuchsia": "Fuchsia",
        "Gentoo": "Gentoo",
        "GoogleTV": "Google TV",
        "Haiku": "Haiku OS",
        "HarmonyOS": "HarmonyOS NEXT",
        "KaiOS": "KaiOS",
        "Kindle": "GNU/Linux",
        "Kubuntu": "Kubuntu",
        "Linux": "GNU/Linux",
        "Linux Mint": "Mint",
        "Lubuntu": "Lubuntu",
        "Mac OS": "Mac",
        "Mac OS X": "Mac",
        "Maemo": "Maemo",
        "Mandriva": "Mandriva",
        "MeeGo": "MeeGo",
        "NetBSD": "NetBSD",
        "OpenBSD": "OpenBSD",
        "Red Hat": "Red Hat",
        "Roku": "Roku OS",
        "SUSE": "SUSE",
        "SailfishOS": "Sailfish OS",
        "Slackware": "Slackware",
        "Solaris": "Solaris",
        "Symbian OS": "Symbian OS",
        "Symbian^3": "Symbian^3",
        "Tizen": "Tizen",
        "Ubuntu": "Ubuntu",
        "WatchOS": "watchOS",
        "Web0S": "webOS",
        "WebTV": "WebTV",
        "Windows": "Windows",
        "Windows CE": "Windows CE",
        "Windows Mobile": "Windows Mobile",
        "Windows Phone": "Windows Phone",
        "Xubuntu": "Xubuntu",
        "iOS": "iOS",
        "webOS": "webOS",
    }
)

FIRE_OS_VERSIONS: Final = MappingProxyType(
    {
        "4.0": "2",
        "4.2": "3",
        "4.4": "4",
        "5.0": "5",
        "5.1": "5",
        "6.0": "6",
        "7.0": "6",
        "7.1": "6",
        "9": "7",
        "10": "8",
        "11": "8",
    }
)
"""Fire OS versions by the Android version that they are based on; browsers only send the latter."""

LINEAGE_OS_VERSIONS: Final = MappingProxyType(
    {
        "7.1": "14.1",
        "8": "15.0",
        "8.1": "15.1",
        "9": "16.0",
        "10": "17.0",
        "11": "18.0",
        "12": "19",
        "13": "20",
        "14": "21",
        "15": "22",
    }
)
"""LineageOS versions by the Android version that they are based on."""

WEBOS_VERSIONS: Final = MappingProxyType(
    {
        "38": "3",
        "53": "4",
        "68": "5",
        "79": "6",
        "87": "22",
        "94": "23",
        "108": "24",
        "120": "25",
    }
)
"""webOS TV versions by their Chromium version, which does not change within a version."""

_VERSION: Final = r"([0-9]+)(?:\.([0-9]+))?"

SYSTEM_PATTERNS: Final = (
    (rf"OpenHarmony.*; ?HarmonyOS {_VERSION}", "HarmonyOS NEXT"),
    (rf"com\.huawei\.hmos.*OpenHarmony-{_VERSION}", "HarmonyOS NEXT"),
    (rf"OpenHarmony[ /-]{_VERSION}", "OpenHarmony"),
    (rf"\(HarmonyOS {_VERSION}", "HarmonyOS"),
    (rf"TiVoOS/{_VERSION}", "TiVo OS"),
    (rf"\bVIDAA/{_VERSION}", "VIDAA"),
    (r"[;+]VIDAA;", "VIDAA"),
    (rf"\bWhaleTV/{_VERSION}", "Whale OS"),
    (rf"\bZeasn/{_VERSION}", "Whale OS"),
    (rf"BrightSign/(?:[A-Z0-9]+/)?{_VERSION}\.[0-9]", "BrightSignOS"),
    (rf"ViziOS/{_VERSION}", "ViziOS"),
    (r"VIZIO SmartCast|VIZIO-DTV", "ViziOS"),
    (rf"RokuOS/{_VERSION}", "Roku OS"),
    (rf"\bRoku[A-Z0-9]*/(?:Pluto|DVP)-{_VERSION}", "Roku OS"),
    (rf"RokuBrowser/.*\(TV-[A-Z0-9]+-{_VERSION}", "Roku OS"),
    (r"\bRoku\b", "Roku OS"),
    (rf"Tizen[ /]{_VERSION}", "Tizen"),
    (rf"\biPadOS/{_VERSION}", "iPadOS"),
    (rf"\btvOS ?/?{_VERSION}", "tvOS"),
    (rf"\[FBAN/FB4A.*FBSV/ ?{_VERSION}", "Android"),
    (r"^Opera/9\.80 \(Linux mips", "Opera TV"),
    (r"Symbian/3;", "Symbian^3"),
    (rf"CyanogenMod[/-](?:CM)?{_VERSION}", "CyanogenMod"),
    (r"CyanogenMod", "CyanogenMod"),
    (rf"MocorDroid{_VERSION}", "MocorDroid"),
    (r"MocorDroid", "MocorDroid"),
    (rf"Yun(?:OS|Os) {_VERSION}", "YunOS"),
    (r"Android.*(?:\bTicWatch|\bSM-R[89][0-9]{2})|Wear ?OS", "Wear OS"),
    (r"OculusBrowser.*\b(?:Quest|Pacific)\b|\b(?:Quest|Pacific)\b.*OculusBrowser", "Meta Horizon"),
    (rf"\b(?:PICO|Pico).* OS{_VERSION}", "PICO OS"),
    (rf"\[(?:Watch OS|watchOS),{_VERSION}", "watchOS"),
    (rf"\bwatchOS[/ ]{_VERSION}", "watchOS"),
    (r"\bwatchOS\b", "watchOS"),
    (rf"\[(?:Mac OS X|macOS),{_VERSION}", "Mac"),
    (rf"\((?:Mac OS|macOS)/{_VERSION}", "Mac"),
    (rf"\(Windows/{_VERSION}", "Windows"),
    (r"\b[wW]in10\b", "Windows"),
    (r"Linux like Android", "GNU/Linux"),
    (r"^dv\(iP.*ov\(([0-9]+)(?:_([0-9]+))?", "iOS"),
    (rf"^UCWEB.* Adr {_VERSION}", "Android"),
    (r"^Amazon;A[EF]|^smarttv_AFT", "Fire OS"),
    (r"PlayStation Portable|PlayStation Vita", "PlayStation Portable"),
    (r"Windows CE", "Windows CE"),
    (r"WPDesktop|Windows NT [0-9.]+; ARM;.*Trident", "Windows RT"),
    (rf"Series60/{_VERSION}", "Symbian OS Series 60"),
    (rf"\bMRE/{_VERSION}", "MRE"),
)
"""Systems that ua-parser does not know, or confuses with the systems they are based on."""

FALLBACK_PATTERNS: Final = (
    (r"\bMTK[; ]|\bMTK/Nucleus|Nucleus", "MTK / Nucleus"),
    (r"(?i)\bmacos\b|\bMacBook|\biMac[0-9]", "Mac"),
    (r"(?i)\bhaiku\b", "Haiku OS"),
    (rf"RISC OS {_VERSION}", "RISC OS"),
    (r"\bBeOS\b", "BeOS"),
    (r"CYGWIN_NT|\.windows\.|Microsoft-(?:Windows|Delivery)|Win32NT", "Windows"),
    (r"(?i)^[^;]*\bandroid\b", "Android"),
    (r"\bTizen", "Tizen"),
    (r"^Nokia|^NOKIA", "Symbian"),
    (r"(?i)j2me|midp|cldc", "Java ME"),
    (r"Linux", "GNU/Linux"),
)
"""Systems to look for if ua-parser finds none."""
