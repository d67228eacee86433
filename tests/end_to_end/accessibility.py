"""What axe-core finds wrong with a page, by the rules of WCAG 2.1, levels A and AA."""

from functools import cache
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

from tests.end_to_end.npm import Package, unpack

AXE: Final = Package(
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
)
TAGS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice")
"""Which of its rules; those of the last are no criteria, but what readers of screens expect."""

_CACHE = Path(__file__).parents[2] / ".cache" / "axe"

_RUN = """async (tags) => {
  const { violations, passes } = await axe.run(document, { runOnly: tags });
  return {
    rules: passes.length,
    violations: violations.flatMap((rule) => rule.nodes.map(
      (node) => `${rule.id} (${rule.impact}): ${node.html.slice(0, 160)}: ${node.failureSummary}`)),
  };
}"""


@cache
def axe() -> str:
    """Its source; fetched once.

    Raises:
        RuntimeError: npm is missing or fails, or the archive is not the one that was tested.
    """
    directory = _CACHE / "node_modules" / AXE.name
    unpack(AXE, directory, _CACHE)
    return (directory / "axe.min.js").read_text()


def violations(page: Page) -> list[str]:
    """What does not follow the rules, an entry for each element; the page is left as it was.

    The source is evaluated, not inserted: the page's own policy allows no foreign script.

    Raises:
        RuntimeError: There is no axe-core, or it has found nothing to look at.
    """
    page.evaluate(axe())
    outcome: dict[str, Any] = page.evaluate(_RUN, list(TAGS))
    if not outcome["rules"]:
        raise RuntimeError("axe-core has found nothing to look at")
    found: list[str] = outcome["violations"]
    return found
