import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.http.tracker.address import LONGEST_NAME, WORDS, ScriptAddress, parse_address

OF_ALL = ScriptAddress()


def unknown(*words: str) -> ScriptAddress:
    return ScriptAddress(unknown_words=words)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("script.js", OF_ALL),
        ("plausible.js", OF_ALL),
        ("analytics.js", OF_ALL),
        ("p.js", OF_ALL),
        ("script.hash.js", OF_ALL),
        ("plausible.hash.outbound-links.js", OF_ALL),
        ("analytics.outbound-links.hash.js", OF_ALL),
        ("script.tagged-events.outbound-links.js", OF_ALL),
        ("script.outbound-links.pageleave.tagged-events.js", OF_ALL),
        ("script.hash.hash.js", OF_ALL),
        (f"script.{'.'.join(sorted(WORDS))}.js", OF_ALL),
        ("script.min.js", unknown("min")),
        ("script.hash.nonsense.local.Hash.js", unknown("nonsense", "Hash")),
        ("plausible.tagged_events.js", unknown("tagged_events")),
        ("pa-Ab_1-x.js", ScriptAddress("Ab_1-x")),
        ("s-Ab_1-x.js", ScriptAddress("Ab_1-x")),
        (f"pa-{'x' * 64}.js", ScriptAddress("x" * 64)),
        (f"pa-{'x' * 65}.js", None),
        ("pa-.js", None),
        ("pa-x.hash.js", None),
        ("pa-ä.js", None),
        ("p.hash.js", None),
        ("script..js", None),
        ("script.hash..js", None),
        ("script.ä.js", None),
        ("script.js.map", None),
        ("script.js\n", None),
        ("Script.js", None),
        ("tracker.js", None),
        ("script", None),
        (".js", None),
        ("", None),
        (f"script.{'x' * (LONGEST_NAME - 10)}.js", unknown("x" * (LONGEST_NAME - 10))),
        (f"script.{'x' * (LONGEST_NAME - 9)}.js", None),
    ],
)
def test_names(name: str, expected: ScriptAddress | None) -> None:
    assert parse_address(name) == expected


@given(
    st.sampled_from(["script", "plausible", "analytics"]),
    st.lists(st.sampled_from(sorted(WORDS)), unique=True),
)
def test_words_in_any_order_and_combination(stem: str, words: list[str]) -> None:
    assert parse_address(".".join([stem, *words, "js"])) == OF_ALL


@given(st.text())
def test_any_text(name: str) -> None:
    address = parse_address(name)
    assert address is None or name.isascii()
