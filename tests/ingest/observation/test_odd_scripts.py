from ingest.observation.odd_scripts import ADDRESSES, SECONDS, OddScript, OddScripts


def test_requests_are_counted() -> None:
    scripts = OddScripts()
    scripts.note("/js/a.js", 10, served=True)
    scripts.note("/js/b.js", 11, served=False)
    scripts.note("/js/b.js", 12, served=False)
    assert scripts.of_last_day(12) == [
        OddScript("/js/b.js", served=False, requests=2, last=12),
        OddScript("/js/a.js", served=True, requests=1, last=10),
    ]


def test_an_address_that_nobody_asks_for_is_forgotten() -> None:
    scripts = OddScripts()
    scripts.note("/js/a.js", 0, served=True)
    scripts.note("/js/b.js", 1, served=True)
    assert [found.path for found in scripts.of_last_day(SECONDS)] == ["/js/b.js"]
    scripts.note("/js/a.js", SECONDS, served=True)
    assert [found.requests for found in scripts.of_last_day(SECONDS)] == [1, 1]


def test_they_are_bounded() -> None:
    scripts = OddScripts()
    for number in range(ADDRESSES):
        scripts.note(f"/js/{number}.js", 1, served=True)
    scripts.note("/js/0.js", 2, served=True)
    scripts.note("/js/new.js", 3, served=True)
    paths = [found.path for found in scripts.of_last_day(3)]
    assert len(paths) == ADDRESSES
    assert paths[0] == "/js/0.js"
    assert "/js/1.js" not in paths
