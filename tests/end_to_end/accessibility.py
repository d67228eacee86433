"""Checks a page with axe-core, by the rules of WCAG 2.1, levels A and AA."""

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
"""Tags of the rules to check. The last one has no WCAG criteria, but common practice."""

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
    """Return the source of axe-core, which is downloaded once.

    Raises:
        RuntimeError: npm is missing or fails, or the archive has a wrong checksum.
    """
    directory = _CACHE / "node_modules" / AXE.name
    unpack(AXE, directory, _CACHE)
    return (directory / "axe.min.js").read_text()


def violations(page: Page) -> list[str]:
    """Return the violations of a page, one entry per element. The page is not changed.

    The source is evaluated and not inserted, because the page's policy forbids foreign scripts.

    Raises:
        RuntimeError: axe-core is missing, or has found nothing to check.
    """
    page.evaluate(axe())
    outcome: dict[str, Any] = page.evaluate(_RUN, list(TAGS))
    if not outcome["rules"]:
        raise RuntimeError("axe-core has found nothing to look at")
    found: list[str] = outcome["violations"]
    return found
