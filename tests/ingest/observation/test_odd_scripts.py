from ingest.observation.odd_scripts import ADDRESSES, SECONDS, OddScript, OddScripts, ScriptFault

SITE, WORDS = ScriptFault.UNKNOWN_SITE, ScriptFault.UNKNOWN_WORDS


def test_requests_are_counted() -> None:
    scripts = OddScripts()
    scripts.note("/js/a.js", 10, WORDS)
    scripts.note("/js/b.js", 11, SITE)
    scripts.note("/js/b.js", 12, SITE)
    assert scripts.of_last_day(12) == [
        OddScript("/js/b.js", SITE, requests=2, last=12),
        OddScript("/js/a.js", WORDS, requests=1, last=10),
    ]


def test_an_address_that_nobody_asks_for_is_forgotten() -> None:
    scripts = OddScripts()
    scripts.note("/js/a.js", 0, WORDS)
    scripts.note("/js/b.js", 1, WORDS)
    assert [found.path for found in scripts.of_last_day(SECONDS)] == ["/js/b.js"]
    scripts.note("/js/a.js", SECONDS, WORDS)
    assert [found.requests for found in scripts.of_last_day(SECONDS)] == [1, 1]


def test_they_are_bounded() -> None:
    scripts = OddScripts()
    for number in range(ADDRESSES):
        scripts.note(f"/js/{number}.js", 1, WORDS)
    scripts.note("/js/0.js", 2, WORDS)
    scripts.note("/js/new.js", 3, WORDS)
    paths = [found.path for found in scripts.of_last_day(3)]
    assert len(paths) == ADDRESSES
    assert paths[0] == "/js/0.js"
    assert "/js/1.js" not in paths
