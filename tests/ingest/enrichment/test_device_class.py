import pytest

from ingest.enrichment.device_class import device_class
from ingest.enrichment.operating_system import name_system
from ingest.enrichment.parsed_agent import ParsedAgent

WEBKIT = " AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0.0.0"
MOBILE, PLAIN = " Mobile Safari/537.36", " Safari/537.36"


def android(model: str, end: str) -> str:
    return f"Mozilla/5.0 (Linux; Android 9; {model}){WEBKIT}{end}"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        # Words of tablets, in any case, whatever the browser says
        *(
            (android(model, MOBILE), "Tablet")
            for model in (
                "Example SMART TAB 4G",
                "ExampleTab",
                "MyTab_7",
                "XTAB-10",
                "EXAMPLEPAD 8",
                "example pad14",
                "MID713",
                "iPlay_50",
                "ABC-W09",
                "TB-X606F",
                "SM-T295",
                "Example 70 4G",
            )
        ),
        (android("Example", MOBILE + " YaApp_Android/22.51.1/apad"), "Tablet"),
        (
            "Mozilla/5.0 (Linux; U; Android 4.2.2; de-de; Smart TAB 9.7) AppleWebKit/534.30 "
            "(KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
            "Tablet",
        ),
        ("Mozilla/5.0 (Linux; U; Android 3.1; X) AppleWebKit/534.13 Mobile Safari/1", "Tablet"),
        ("Mozilla/5.0 (Windows NT 10.0; Trident/7.0; Touch; rv:11.0) like Gecko", "Tablet"),
        (android("Example", PLAIN), "Tablet"),
        # Television sets by their models' names
        *(
            (android(model, end), "Desktop")
            for model in (
                "ExampleTV",
                "Example 4K",
                "EXAMPLE_BOX",
                "NEXTBOX-Z9",
                "Example Shell LC320AB",
                "43EX7000",
                "TD55EX70",
                "Example Smart Stick",
                "ATV3",
                "Example Build/PTT1.190222.001",
            )
            for end in (MOBILE, PLAIN)
        ),
        (
            "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0 "
            "Safari/537.36 HbbTV/1.6.1 (+DRM; LGE; X; WEBOS23 03.20.23; Y;)",
            "Desktop",
        ),
        # Telephones with a word of the others, or a browser that asks for the desktop's page
        *(
            (android(model, MOBILE), "Mobile")
            for model in (
                "Coolpad 5",
                "Turbox5",
                "Example DTV",
                "STV100-4",
                "HTV32",
                "Letv X501",
                "F-04 Build/V25R34A",
                "Redmi Note 9 4G",
                "LT4030PG",
            )
        ),
        (android("SM-A505FN", PLAIN), "Mobile"),
        (android("Pixel 8", PLAIN), "Mobile"),
        (f"Mozilla/5.0 (Windows NT 10.0; ARM; Lumia 950){WEBKIT} Edge/14.1", "Mobile"),
        # Laptops with Android
        (android("Example Chromebook 13", PLAIN), "Desktop"),
        (android("Inspiron 5545", PLAIN), "Desktop"),
        # OpenHarmony says it first
        (f"Mozilla/5.0 (Phone; OpenHarmony 5.0){WEBKIT} ArkWeb/4.1 Mobile", "Mobile"),
        (f"Mozilla/5.0 (Tablet; OpenHarmony 5.0){WEBKIT} ArkWeb/4.1", "Tablet"),
        (f"Mozilla/5.0 (PC; OpenHarmony 6.1; Windows NT 10.0){WEBKIT} ArkWeb/6.1", "Desktop"),
        # Speakers, and applications that name no device
        (android("AEOXX", PLAIN), ""),
        ("Example/85 CFNetwork/1408.0.4 Darwin/22.5.0", ""),
        ("Example/1.4 (Linux;Android 9) ExoPlayerLib/2.8.4", ""),
        ("Example/1.4", ""),
        # Applications on desktops
        ("Example/85 CFNetwork/1111 Darwin/19.0.0 (x86_64)", "Desktop"),
        ("Example/1.6 (Linux; en_US.UTF-8)", "Desktop"),
        ("Microsoft Office OneNote/16.0 (Windows/10.0; Desktop x64; en-US)", "Desktop"),
    ],
)
def test_device_class(agent: str, expected: str) -> None:
    parsed = ParsedAgent(agent)
    assert device_class(parsed, name_system(parsed)[0]) == expected
