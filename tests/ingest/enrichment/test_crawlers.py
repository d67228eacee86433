import pytest

from ingest.enrichment.crawlers import is_crawler

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
PHONE = "Mozilla/5.0 (Linux; Android 13; {}) AppleWebKit/537.36 (KHTML, like Gecko) "
BROWSER = "Chrome/131.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (Linux; Android 11; moto g power (2022)) AppleWebKit/537.36 (KHTML, like "
        "Gecko) Chrome/109.0.0.0 Mobile Safari/537.36 CloudflareObservatory/1.0",
        "Mozilla/5.0 (Windows; U; Windows NT 6.0; en-US; rv:1.9.2.28) Gecko/20120306 Firefox/99.0 "
        "YottaaMonitor",
        *(
            CHROME + BROWSER + end
            for end in (
                " pageburst",
                " Functionize",
                " DatadogSynthetics",
                " RuxitSynthetic/1.0",
                " ExampleMonitor/3",
                " (scanner of example.org)",
                " https://example.com/why",
                " (Google-Site-Verification)",
                " (via proxy.example)",
                " ExampleBot/1.0",
                " someone@example.org",
            )
        ),
        CHROME.replace("Win64; x64", "compatible; ExampleBot/1.0") + BROWSER,
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko; Google Web Preview)"
        " Chrome/41.0 Safari/537.36",
    ],
)
def test_what_drives_a_browser_and_names_itself(agent: str) -> None:
    assert is_crawler(agent)


@pytest.mark.parametrize(
    "agent",
    [
        "site24x7",
        "SITE24X7",
        "GOOGLEBOT/2.1",
        "Google-Read-Aloud",
        "Mozilla/5.0 (compatible; Frobnicator/1.0)",
        "Mozilla/5.0 (compatible; Frobnicator/1.0; mailto:someone@example.org)",
        "Mozilla/5.0 (testing it)",
        "Mozilla/5.0 frobnicator/1.0",
        "ExampleFetcher/2.0 (Linux)",
        "example link checker",
        "Example-Domain-Lookup/1.0",
        "Example Security Research",
        "example.org/1.0",
        "Example/1.0 (https://example.org/about)",
        "Example/1.0 (12 subscribers)",
        "${jndi:ldap://example.org/a}",
        "Wordfence/1.0",
        "WhatsApp/2.23.20.0",
    ],
)
def test_programs_that_say_what_they_do(agent: str) -> None:
    assert is_crawler(agent)


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; Banca Caboto s.p.a.; rv:11.0) like Gecko",
        *(
            PHONE.format(model) + BROWSER
            for model in (
                "M bot 54",
                "Spider 8",
                "CUBOT X18",
                "Probe 5",
                "Monitor X",
                "FEVER",
                "Sonic 2",
                "Butterfly",
            )
        ),
        PHONE.format("X9") + BROWSER + " [FBAN/FB4A;FBDV/CUBOT X18;FBSV/13]",
        "Dalvik/2.1.0 (Linux; U; Android 13; Spider 8 Build/TP1A)",
        "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)",
        "Mozilla/5.0 (compatible; Konqueror/4.3; Linux) KHTML/4.3.4 (like Gecko)",
        "Mozilla/5.0",
        "WhatsApp/2.18.46 Android/6.0.1 Device/Example",
        "Example Podcasts/1.0 (+https://podcasts.example)",
        "ExampleCheckout/1.0",
        "Shop/2.4 okhttp/4.12.0",
        "Shop/2.4 (iPhone; iOS 17.0)",
        "",
    ],
)
def test_people(agent: str) -> None:
    assert not is_crawler(agent)
