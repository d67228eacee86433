"""Every link of the documentation leads somewhere."""

import re
import unicodedata
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])

_FENCE = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_LINK = re.compile(r"\]\(([^()\s]+)(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#* *$", re.MULTILINE)


def targets(text: str) -> list[str]:
    """What a text links to, pictures included; code links to nothing."""
    # Code may be the text of a link: what it says goes, its brackets stay.
    return _LINK.findall(_CODE.sub("", _FENCE.sub("", text)))


def anchors(text: str) -> set[str]:
    """The names of its headings, as GitHub makes them."""
    found: set[str] = set()
    times: Counter[str] = Counter()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        # Letters, digits, marks, `_` and `-` stay; blanks become hyphens.
        name = "".join(
            "-" if sign == " " else sign
            for sign in shown
            if sign in " -_" or unicodedata.category(sign)[0] in "LNM"
        )
        found.add(f"{name}-{times[name]}" if times[name] else name)
        times[name] += 1
    return found


def _leads_somewhere(file: Path, fragment: str) -> bool:
    if not file.resolve().is_relative_to(ROOT) or not file.exists():
        return False
    return not fragment or (file.suffix == ".md" and fragment in anchors(file.read_text()))


def broken_links(document: Path) -> list[str]:
    """Relative links of a document whose file or heading there is not."""
    found = []
    for target in targets(document.read_text()):
        parts = urlsplit(target)
        if parts.scheme:
            continue
        file = document.parent / unquote(parts.path) if parts.path else document
        if not _leads_somewhere(file, parts.fragment):
            found.append(target)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    assert broken_links(document) == []


def test_links_are_found() -> None:
    readme = targets((ROOT / "README.md").read_text())
    assert {"docs/import.md", "SECURITY.md", "https://plausible.io"} <= set(readme)
    index = targets((ROOT / "docs" / "README.md").read_text())
    assert {"import.md", "../SECURITY.md"} <= set(index)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Back-up, move, upgrade", {"back-up-move-upgrade"}),
        ("## What `202` promises", {"what-202-promises"}),
        ("# A\n## A\n```sh\n# no heading\n```", {"a", "a-1"}),
        ("### [Linked](x.md) text ##", {"linked-text"}),
    ],
)
def test_names_of_headings(text: str, expected: set[str]) -> None:
    assert anchors(text) == expected


@pytest.mark.parametrize(
    ("target", "is_broken"),
    [
        ("other.md", False),
        ("other.md#there", False),
        ("#here", False),
        ("https://example.com/nowhere", False),
        ("none.md", True),
        ("other.md#nowhere", True),
        ("#nowhere", True),
        ("../../../../../etc/passwd", True),
    ],
)
def test_what_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, is_broken: bool
) -> None:
    monkeypatch.setattr("tests.test_documentation.ROOT", tmp_path)
    (tmp_path / "other.md").write_text("# There\n")
    document = tmp_path / "document.md"
    document.write_text(f"# Here\n\n[`code`]({target}) and `[no]({target}x)`\n")
    assert broken_links(document) == ([target] if is_broken else [])
