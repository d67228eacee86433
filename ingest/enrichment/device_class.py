"""Finds the device class in a user agent, which is stored as `screen_size`."""

from collections.abc import Iterable
from typing import Final

from ingest.enrichment.parsed_agent import ParsedAgent
from ingest.enrichment.pattern_set import PatternSet


def _ignoring_case(patterns: Iterable[str]) -> PatternSet:
    return PatternSet(f"(?i){pattern}" for pattern in patterns)


_NO_CLASS: Final = _ignoring_case(
    (
        r"\bAEO[A-Z]{2}\b|\bSonos/|\bNest Hub|\bFuchsia\b",  # speakers, with a display or without
        r"\(Linux; ?Android [0-9.]+\) [a-z]*ExoPlayer",
    )
)
_TV_OR_CONSOLE: Final = _ignoring_case(
    (
        r"\bTV\b|Smart-?TV|HbbTV|GoogleTV|AndroidTV|AppleTV|MiTV|NETTV|_TV_",
        r"Web0S|NetCast|CrKey|VIDAA|Viera|\bVIZIO\b|InettvBrowser|YouView|Hybridcast|BrightSign",
        r"\bBRAVIA|\bAFT[A-Z]|\bMiBOX|\bSHIELD Android|\bRoku|\bTiVo|DuneHD|stbapp|VSTVB",
        r"\bOTT\b|\bSTB\b|\bOMI/|LED[0-9]{2}|[_-][FU]HD\b|UHD_|\bIPTV\b|TiviMate|\bCE-HTML",
        r"PlayStation|\bPS[2-5]\b|\bPSP\b|\bXbox|Nintendo|\(QtEmbedded;",
    )
)
_TV_MODELS: Final = PatternSet(
    (
        r"(?:[^D]|^)TV[0-9]?(?:$|[^A-Za-z0-9])|TV[A-Z][0-9]{2}|(?i:smart[ _-]?tv)",
        r"(?i)box(?:$|[^a-z0-9])|\b(?:stick|dongle|hdmi|projector|receiver|set-?top|streaming)",
        r"(?i)iptv|dvb|chromecast|\bmedia ?player|movie|\bhome ?theat",
        r"(?i)(?:^|[^0-9a-z]|smart)[248]k(?:$|[^0-9a-z])|ultra ?hd|as4k",
        r"(?i)(?:^|[ _])shell(?:$|[ _])",
        # Screen size in inches, letters and a number: 43LU1204.
        r"(?:^|[^0-9A-Za-z]|[A-Z])(?:19|2[0-8]|3[29]|4[0-39]|5[05-8]|6[05]|7[057]|8[0-6])"
        r"[A-Z]{1,5}[-_]?[0-9]{2}",
        # TV boxes sold by many makers under the same name, and makers of only such boxes.
        r"\b(?:A95X|A5X|H96|X96|X88|T95|TX[2-9]|MX[QR]|Q96|HK1|M8S)[A-Za-z_ )-]",
        r"(?i)\b(?:beelink|formuler|mecool|minix|neo-[ux]|pendoo|rombica|tanix|ugoos|vorke|zidoo)",
        r"(?i)\b(?:evpad|invin|nexus player|iconbit (?:xds|movie))",
    )
)
_TV_BUILD: Final = PatternSet((r"Build/[M-Z]T[A-Z][0-9A-Z]?\.[0-9]",))
"""Build ids of Android for television sets, which has a separate branch."""

_APPLE_DEVICES: Final = PatternSet((r"iPhone|iPad|iPod|Mozilla|Mac",))
_CAR: Final = PatternSet((r"\bTesla/", "QtCarBrowser"))
_HANDHELD: Final = _ignoring_case(
    (
        r"Watch ?OS|\bWatch[0-9]?\b|Wear ?OS|TicWatch",
        r"OculusBrowser|PicoBrowser|\bVR\b",
        r"\bCLDC|UP\.Browser|\bBrew\b|WPDesktop|ZuneWP|Windows Phone|; Lumia ",
    )
)
_LAPTOPS: Final = _ignoring_case(
    (
        r"\b(?:chromebook|elitebook|probook|latitude|inspiron|vostro|satellite|travelmate)\b",
        r"\b(?:aspire [0-9]|easynote|thinkcentre|optiplex|precision|macbook|imac)|\b2in1\b|\bAIO\b",
    )
)
_PHONES: Final = PatternSet(
    (
        r"\bSM-[AEFGJMNS][0-9]{3}|\bGT-[INS][0-9]{4}|\bS[HC][VWG]-?[A-Z]?[0-9]{3}[KLS]\b",
        r"\b(?:CPH|RMX)[0-9]{4}|\bASUS_[TXZ]|\bLG-[A-UW-Z]{1,2}[0-9]{3}|\b[A-Z]{3}-AN[0-9]0\b",
        r"\bPixel [0-9]|\b(?i:htc)[ _]|\bV2[0-9]{3}A?\b|PadFone|PhonePad|(?i:coolpad|tech ?pad)",
    )
)
_TABLETS: Final = PatternSet(
    (
        r"(?i)tab(?:$|[^a-z])|tablet|[a-z]tab[0-9]|\bslate\b|\bmid(?:$|[^a-z])",
        r"(?i)pad(?:$|[^a-z])|\bipa2[0-9]{3}|iplay[_ ]?[0-9]|\bkindle|\bnook\b|\bxoom\b|playbook",
        r"(?i)\bnexus (?:7|9|10)\b|transformer|iconia|\bstreak 7|surfer|irulu|\byoga (?:tab|book)",
        # 7 or 10.1 inches, before the name of the mobile network.
        r"(?i)(?:^|[^0-9a-z])m?(?:7|8|70|80|97|101)[a-z]{0,2}[ _-]?(?:3g|4g|lte)\b",
        # The makers' model numbers.
        r"\bSM-[TPX][0-9]|\bGT-P[0-9]|\bKF[A-Z]{2,6}\b|\bSGP[0-9]{3}|\bOPD[0-9]{4}|\bRMP[0-9]{4}",
        r"\bLenovo (?:TB|YT)|\bTB-?[A-Z]?[0-9X]|\bLenovo (?:A[2-7][0-9]{3}-|A[78]-|S[56]000)",
        r"\b[A-Z0-9]{3,4}K?-(?:W[0-9]{2}|L0[39]HN)|\b2[0-9]{4}RP|\bP[AD]2[0-9]{3}\b|\bLG-V[0-9]{3}",
        r"\b(?:AGS|AGR|BAH|BT[VK]|BZ[TKW]|CMR|CPN|DB[YR]|FDR|GOT|JDN|KOB|MRX|SCMR?|SHT|VRD|WGR)"
        r"[0-9]?K?-",
        r"\bPM[TP][0-9]{4}|\bRCT[0-9]{4}|\b[A-Z]{2}[17-9][0-9]{3}[AMPE][A-Z]\b|\bTZ[0-9]{2,3}\b",
        r"\bBQ(?:ru)?-(?:[789][0-9]{3}|1[0-9]{3})|\bK01[0-9A-Z]\b|\bP0[0-2][0-9A-Z]{1,2}\b",
        r"(?i)\barchos (?:[a-z]+ )?(?:70|80|90|97|101|133)|\b[AB][13]-[0-9A-Z]{3}\b",
        r"(?i)\b(?:optima|plane|citi)[ _][0-9]{4}",
    )
)
_TOUCH_WINDOWS: Final = PatternSet((r"Windows NT (?:6\.[23]|10\.0).*Trident.*; Touch[;)]",))
_CALLED_TABLET: Final = _ignoring_case((r"/apad\b|\btablet\b|\bipad|galaxy tab",))
_DESKTOP_SYSTEMS: Final = frozenset(
    {
        "Arch Linux",
        "BeOS",
        "CentOS",
        "Chrome OS",
        "Debian",
        "DragonFly",
        "Fedora",
        "FreeBSD",
        "GNU/Linux",
        "Gentoo",
        "Haiku OS",
        "Kubuntu",
        "Lubuntu",
        "Mac",
        "Mandriva",
        "Mint",
        "NetBSD",
        "OpenBSD",
        "Red Hat",
        "SUSE",
        "Slackware",
        "Solaris",
        "Ubuntu",
        "Windows",
        "Xubuntu",
    }
)
"""Systems whose devices are desktops, unless the agent has another class."""


def device_class(agent: ParsedAgent, system: str) -> str:
    """Return the value of `screen_size` (spec/enrichment.md §2).

    Args:
        agent: The parsed agent.
        system: The operating system's name.

    Returns:
        Mobile, Tablet or Desktop; empty for other or unknown devices.
    """
    text = agent.ua_string
    if _NO_CLASS.matches(text) or _is_bare_app(agent.ua_string, system):
        return ""
    if _TV_OR_CONSOLE.matches(text) or (agent.is_android and _is_tv(agent)):
        return "Desktop"
    if _CAR.matches(text):
        return "Tablet"
    if _HANDHELD.matches(text):
        return "Mobile"
    if agent.is_android:
        return _android_class(agent)
    if "OpenHarmony" in text:
        return _open_harmony_class(text)
    if _TOUCH_WINDOWS.matches(text):
        return "Tablet"
    if system == "Mac" or agent.is_pc:
        return "Desktop"
    if _CALLED_TABLET.matches(text) or agent.is_tablet or text.startswith("dv(iPd"):
        return "Tablet"
    if agent.is_mobile or "Mobile" in text or text.startswith("dv(iPh"):
        return "Mobile"
    return "Desktop" if system in _DESKTOP_SYSTEMS else ""


def _is_bare_app(text: str, system: str) -> bool:
    """Whether the agent is an application with Apple's network library and without a device."""
    return system == "iOS" and "CFNetwork" in text and not _APPLE_DEVICES.matches(text)


def _is_tv(agent: ParsedAgent) -> bool:
    return _TV_MODELS.matches(agent.model) or _TV_BUILD.matches(agent.ua_string)


def _android_class(agent: ParsedAgent) -> str:
    if _LAPTOPS.matches(agent.model):
        return "Desktop"
    if _PHONES.matches(agent.model):
        return "Mobile"
    if _TABLETS.matches(agent.model) or _CALLED_TABLET.matches(agent.ua_string):
        return "Tablet"
    return "Tablet" if agent.is_tablet or agent.os.version_string.startswith("3.") else "Mobile"


def _open_harmony_class(text: str) -> str:
    # In `(Phone; OpenHarmony 5.0)`, the first word is the class.
    if "(PC;" in text or "(2in1;" in text:
        return "Desktop"
    return "Tablet" if "(Tablet;" in text else "Mobile"
