import pytest

from ingest.enrichment.operating_system import name_system
from ingest.enrichment.parsed_agent import ParsedAgent

WEBOS = "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) "
TV = "Mozilla/5.0 (X11; Linux armv7l) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/88.0 "
ANDROID = "Mozilla/5.0 (Linux; Android {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0 "


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        # Huawei's
        ("Mozilla/5.0 (Phone; OpenHarmony 5.0) Chrome/114.0 ArkWeb/4.1", ("OpenHarmony", "5.0")),
        (
            "Mozilla/5.0 (PC; OpenHarmony 6.1; Windows NT 10.0) Chrome/132.0 ArkWeb/6.1",
            ("OpenHarmony", "6.1"),
        ),
        (
            "Mozilla/5.0 (PC; OpenHarmony 5.0; HarmonyOS 5.0) Chrome/114.0 ArkWeb/4.1",
            ("HarmonyOS NEXT", "5.0"),
        ),
        (ANDROID.format("12; HarmonyOS; ABC-AL00"), ("HarmonyOS", "")),
        (ANDROID.format("12; ABC-AN00") + "BDOS/1.0 (HarmonyOS 3.0.0)", ("HarmonyOS", "3.0")),
        # Television sets
        (WEBOS + "Chrome/94.0 HbbTV/1.6.1 (+DRM; LGE; M; WEBOS23 03.20;)", ("webOS", "23")),
        (WEBOS + "Chrome/68.0 HbbTV/1.5.1 (+DRM; LGE; M; WEBOS5.0 04.50;)", ("webOS", "5.0")),
        (WEBOS + "Chrome/120.0 Safari/537.36", ("webOS", "25")),
        (WEBOS + "Chrome/999.0 Safari/537.36", ("webOS", "")),
        (TV + "Safari/537.36 Model/X VIDAA/6.0(X;SmartTV)", ("VIDAA", "6.0")),
        (TV + "Safari/537.36 OMI/4.23 TiVoOS/1.0.0 (X)", ("TiVo OS", "1.0")),
        (TV + "Safari/537.36 OMI/4.20 WhaleTV/2.0 NETTV/4.6", ("Whale OS", "2.0")),
        (TV + "CrKey/1.0 VIZIO SmartCast(Conjure/X)", ("ViziOS", "")),
        ("Roku/DVP-9.10 (519.10E04111A)", ("Roku OS", "9.10")),
        ("Opera/9.80 (Linux mips; ) Presto/2.12.407 Version/12.51", ("Opera TV", "")),
        (ANDROID.format("11; Example Smart TV"), ("Android TV", "11")),
        (ANDROID.format("11; X").replace("Android", "Andr0id"), ("Android TV", "11")),
        # Made of Android, or not
        (ANDROID.format("9; lineage_example"), ("Lineage OS", "16.0")),
        (ANDROID.format("7.1.2; AEOXX Build/NS65"), ("Fire OS", "6")),
        (ANDROID.format("11; SM-R900F"), ("Wear OS", "")),
        ("Mozilla/5.0 (Linux; Tizen 5.5; SAMSUNG SM-R850) Chrome/69.0", ("Tizen", "5.5")),
        (
            "Mozilla/5.0 (Linux; U; Android 4.2.1; X; CyanogenMod-10.1) AppleWebKit/534.30",
            ("CyanogenMod", "10.1"),
        ),
        (ANDROID.format("13; x").lower(), ("Android", "13")),
        ("Mozilla/5.0 (Linux like Android; en_US) PocketBook/614", ("GNU/Linux", "")),
        # Desktops
        ("Microsoft Office Word/16.44 (Mac OS/11.1; Desktop; en-US)", ("Mac", "11.1")),
        ("Microsoft Office OneNote/16.0 (Windows/10.0; Desktop x64)", ("Windows", "10.0")),
        ("Example/1 CFNetwork/1111 Darwin/19.0.0 (x86_64)", ("Mac", "10.15")),
        ("Example/1 CFNetwork/1 Darwin/1.3.0 (i386)", ("Mac", "")),
        ("Example/1 CFNetwork/1240 Darwin/22.1.0 (x86_64)", ("Mac", "13")),
        ("Mozilla/5.0 (Windows NT 6.2; ARM; Trident/7.0; Touch; rv:11.0)", ("Windows RT", "")),
        # Handhelds
        ("Example/1.0 watchOS/9.4 model/Watch6,1", ("watchOS", "9.4")),
        ("Example [Watch OS,10.0,21R355,Watch7,2]", ("watchOS", "10.0")),
        ("Example/1; iPad7,1; iPadOS/16.3.1", ("iPadOS", "16.3")),
        ("Example X1/MIDP-2.0 Configuration/CLDC-1.1", ("Java ME", "")),
        ("Nokia1234/2.0 (08.20) Profile/MIDP-2.1 Configuration/CLDC-1.1", ("Symbian", "")),
        ("Mozilla/4.0 (compatible; MSIE 6.0; Windows CE; IEMobile 8.12)", ("Windows CE", "")),
        ("UCWEB/2.0 (MIDP-2.0; U; Adr 9; en; X) U2/1.0.0 UCBrowser/11.0", ("Android", "9")),
        ("[FBAN/FBIOS;FBDV/iPhone10,3;FBSN/iOS;FBSV/11.4.1]", ("iOS", "11.4")),
        ("", ("", "")),
    ],
)
def test_name_system(agent: str, expected: tuple[str, str]) -> None:
    assert name_system(ParsedAgent(agent)) == expected
