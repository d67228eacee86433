import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.sites import site_file_edit
from ingest.sites.shields import Shields
from ingest.sites.site import (
    MAX_SITE_ID,
    RateLimit,
    Site,
    SiteScript,
    unregistered_site_id,
)
from ingest.sites.site_file import SitesFileError, parse_sites
from ingest.sites.site_file_edit import (
    EditError,
    next_site_id,
    put_exchange_rates,
    put_sites,
    remove_site,
    removed_site_ids,
)
from tests.ingest.sites.site_texts import WRITTEN

DAY = date(2026, 11, 24)
SHIPPED = (Path(__file__).parents[3] / "config" / "sites.toml").read_text()


def put(text: str, *sites: Site) -> str:
    return put_sites(text, sites, "sites.toml")


def test_a_new_site_comes_behind_the_last() -> None:
    edited = put(WRITTEN, Site(10, "ten.example", shields=Shields(countries=("AQ",))))
    assert edited == WRITTEN + (
        '\n[[site]]\nid = 10\ndomain = "ten.example"\n\n[site.shields]\ncountries = ["AQ"]\n'
    )


def test_a_new_site_comes_before_other_tables() -> None:
    text = '[[site]]\nid = 1\ndomain = "a"\n\n# Money.\n[exchange_rates]\nEUR = 1\n'
    assert put(text, Site(2, "b")) == (
        '[[site]]\nid = 1\ndomain = "a"\n\n[[site]]\nid = 2\ndomain = "b"\n\n'
        "# Money.\n[exchange_rates]\nEUR = 1\n"
    )


@pytest.mark.parametrize(
    "text", ["", "# Sites\n", "site = []\n", "[exchange_rates]\nEUR = 1", "\ufeff# Sites\n"]
)
def test_the_first_site(text: str) -> None:
    edited = put(text, Site(1, "one.example"))
    assert edited.endswith('[[site]]\nid = 1\ndomain = "one.example"\n')
    assert edited.startswith("\ufeff") == text.startswith("\ufeff")


def test_line_ends_stay_those_of_the_file() -> None:
    text = WRITTEN.replace("\n", "\r\n")
    changed = replace(parse_sites(text, "x").sites[0], shields=Shields(pages=("/x",)))
    edited = put(text, changed, Site(10, "ten"))
    edited = remove_site(edited, 2, DAY, "sites.toml")
    assert edited.count("\n") == edited.count("\r\n")


def test_a_removed_site_takes_its_own_comments_and_leaves_its_id_behind() -> None:
    edited = remove_site(WRITTEN, 1, DAY, "sites.toml")
    assert edited.startswith(
        "# Sites of ours.\n"
        "\n"
        '# Site 1 ("one.example") was removed on 2026-11-24; its id is not given to another.\n'
        "\n"
        '# pages = ["/admin"]\n'
        "\n"
        "# The shop.\n"
        "[[site]]\n"
    )
    assert edited.endswith(WRITTEN[WRITTEN.index("# The shop.") :])


def test_the_shipped_file_keeps_its_explanations() -> None:
    edited = remove_site(SHIPPED, 1, DAY, "sites.toml")
    explained = SHIPPED[SHIPPED.index("# All the rest") :]
    assert edited.startswith(SHIPPED[: SHIPPED.index("[[site]]")])
    assert edited.endswith(explained)
    assert put(edited, Site(2, "two.example")).endswith(
        explained + '\n[[site]]\nid = 2\ndomain = "two.example"\n'
    )


def test_ids_of_removed_sites_are_not_given_again() -> None:
    text = remove_site(WRITTEN, 9, DAY, "sites.toml")
    assert removed_site_ids(text) == {9}
    assert next_site_id(text, parse_sites(text, "")) == 10
    again = put(text, Site(9, "back.example"))
    assert removed_site_ids(again) == frozenset()
    text = remove_site(again, 2, DAY, "sites.toml")
    text = remove_site(text, 1, DAY, "sites.toml")
    text = remove_site(text, 9, DAY, "sites.toml")
    assert removed_site_ids(text) == {1, 2, 9}


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], 1),
        ([1, 7], 8),
        ([3, unregistered_site_id("x.example")], 4),
        ([MAX_SITE_ID], 1),
    ],
)
def test_next_id(ids: list[int], expected: int) -> None:
    text = put("", *(Site(number, f"{number}.example") for number in ids))
    assert next_site_id(text, parse_sites(text, "")) == expected


def test_exchange_rates() -> None:
    edited = put_exchange_rates(WRITTEN, {"EUR": Decimal("0.93"), "BRL": Decimal(5)}, "x")
    assert edited == WRITTEN.replace(
        "EUR = 0.920  # from the bank\n", "EUR = 0.93  # from the bank\nBRL = 5\n"
    )
    assert put_exchange_rates(SHIPPED, {"EUR": Decimal("0.93")}, "x") == (
        SHIPPED + "\n[exchange_rates]\nEUR = 0.93\n"
    )


@pytest.mark.parametrize(
    ("sites", "reasons"),
    [
        pytest.param(
            [Site(1, "two.example")],
            'site.domain: expected a value of its own, got "two.example", the domain of site 1',
            id="domain of another",
        ),
        pytest.param(
            [Site(3, "www.three.example")],
            'site.domain: expected the domain without "www.": "three.example", '
            'got "www.three.example"',
            id="domain",
        ),
        pytest.param(
            [Site(3, "three.example", shields=Shields(countries=("germany", "de")))],
            "site.shields.countries: expected an ISO 3166-1 alpha-2 code, or ZZ for unknown "
            '(DE?), got "de"\n'
            "site.shields.countries: expected an ISO 3166-1 alpha-2 code, or ZZ for unknown, "
            'got "germany"',
            id="several",
        ),
        pytest.param(
            [Site(3, "three.example", shields=Shields(pages=("/x",) * 31))],
            "site.shields.pages: expected at most 30 entries, got 31",
            id="too many",
        ),
    ],
)
def test_mistakes_are_refused(sites: list[Site], reasons: str) -> None:
    with pytest.raises(EditError) as raised:
        put(WRITTEN, *sites)
    assert str(raised.value) == reasons


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param('site = [{ id = 1, domain = "a" }]\n', "inline array", id="inline"),
        pytest.param(
            '[[site]]\nid = 1\ndomain = "a"\n[exchange_rates]\n[site.shields]\n',
            "tables of site 1 stand apart",
            id="apart",
        ),
    ],
)
def test_files_that_are_written_in_another_way(text: str, reason: str) -> None:
    with pytest.raises(EditError, match=reason):
        put(text, Site(2, "b"))


def test_a_file_with_mistakes_is_not_edited() -> None:
    with pytest.raises(SitesFileError):
        put("[[site]]\nid = 0\n", Site(2, "b"))
    with pytest.raises(EditError, match="no site has the id 7"):
        remove_site(WRITTEN, 7, DAY, "sites.toml")


domains = st.sampled_from(["a.example", "b.example", 'q"uo\\te', "d/shop", "ünï.example"])
ips = st.sampled_from(["192.0.2.1", "192.0.2.2", "198.51.100.0/24", "2001:db8::/32"])
sites = st.builds(
    Site,
    st.sampled_from([1, 2, 3, 9]),
    domains,
    st.none(),
    st.none() | st.builds(RateLimit, st.integers(0, 9), st.integers(1, 9)),
    st.none() | st.dates(date(2020, 1, 1)),
    st.booleans(),
    st.builds(
        Shields,
        st.lists(ips, unique=True).map(tuple),
        st.lists(st.sampled_from(["AQ", "DE", "ZZ"]), unique=True).map(tuple),
        st.lists(st.sampled_from(["/a", "/b#c", '/"]', "/**\\"]), unique=True).map(tuple),
        st.lists(st.sampled_from(["a.example", "*.b.example"]), unique=True).map(tuple),
    ),
    st.dictionaries(st.sampled_from(["Purchase", "Gift", 'a "b" #']), st.sampled_from(["EUR"])),
    st.none() | st.just("a-secret-of-16-or-more"),
    st.none()
    | st.builds(
        SiteScript, st.sampled_from(["a", "-_9"]), st.booleans(), hash_based_routing=st.booleans()
    ),
)
edits = st.lists(st.one_of(sites, st.sampled_from([1, 2, 3, 9])), min_size=1, max_size=6)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([WRITTEN, SHIPPED, WRITTEN.replace("\n", "\r\n"), ""]), edits)
def test_any_edits_keep_the_file_valid_and_all_else_unchanged(
    text: str, edits: list[Site | int]
) -> None:
    for edit in edits:
        before = parse_sites(text, "x")
        try:
            if isinstance(edit, Site):
                edited = put(text, edit)
            else:
                edited = remove_site(text, edit, DAY, "x")
        except EditError as refused:
            if "by hand" in str(refused):
                raise
            continue
        after = {site.id: site for site in parse_sites(edited, "x")}
        target = edit.id if isinstance(edit, Site) else edit
        assert after.pop(target, None) == (edit if isinstance(edit, Site) else None)
        assert after == {site.id: site for site in before if site.id != target}
        for part in site_file_edit._split(text, before)[1]:
            if part.site is None or part.site.id != target:
                kept = re.split(r"\n\s*\n", site_file_edit._REMOVED.sub("", part.text))
                assert all(paragraph.strip() in edited for paragraph in kept)
        text = edited
