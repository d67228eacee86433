import subprocess
import sys
from pathlib import Path

import pytest

from tests.not_tested import summary

TESTS = """
import pytest

def test_a():
    pass

@pytest.mark.parametrize("n", [1, 2])
def test_b(n):
    pytest.skip("nginx is not installed")

@pytest.mark.skipif(True, reason="only root may")
def test_c():
    pass
"""


def test_a_real_report(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_module.py").write_text("import pytest\npytest.importorskip('no_such')\n")
    for arguments, code in (
        (["pytest", "-q", "--junitxml=report.xml"], 0),
        (["tests.not_tested", str(tmp_path / "report.xml")], 0),
    ):
        root = tmp_path if arguments[0] == "pytest" else Path(__file__).parents[1]
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=root, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout
    first, second, *others = done.stdout.splitlines()
    assert (first, second) == ("Not tested:", "     2  nginx is not installed")
    assert sorted(others) == [
        "     1  could not import 'no_such': No module named 'no_such'",
        "     1  only root may",
    ]


@pytest.mark.parametrize(
    ("reasons", "lines"),
    [
        ([], ["All tests have run: none was skipped."]),
        (["b", "a", "a"], ["Not tested:", "     2  a", "     1  b"]),
    ],
)
def test_summary(reasons: list[str], lines: list[str]) -> None:
    assert summary(reasons) == lines
