import subprocess
import sys

import pytest

from ingest.enrichment.parsed_agent import ParsedAgent


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", True),
        ("mozilla/5.0 (linux; android 9; x) chrome/81.0", True),
        ("Dalvik/2.1.0 (Linux; U; Android 13; X Build/TP1A)", True),
        ("Opera/9.80 (X11; Linux x86_64) Presto/2.12.388 Version/12.16", True),
        ("Shop/2.4 (iPhone; iOS 17.0)", False),
        ("", False),
    ],
)
def test_is_browser(agent: str, expected: bool) -> None:
    assert ParsedAgent(agent).is_browser is expected


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("Mozilla/5.0 (Linux; Android 13; X) AppleWebKit/537.36", True),
        ("mozilla/5.0 (linux; android 13; x) applewebkit/537.36", True),
        ("Mozilla/5.0 (Linux; Andr0id 11; X) AppleWebKit/537.36", True),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", False),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X)", False),
    ],
)
def test_is_android(agent: str, expected: bool) -> None:
    assert ParsedAgent(agent).is_android is expected


def test_the_model_ends_before_the_build_and_the_bracket() -> None:
    assert ParsedAgent("Mozilla/5.0 (Linux; Android 13; X 9 Build/TV9) TV").model.endswith("X 9")
    assert ParsedAgent("Mozilla/5.0 (Linux; Android 13; X 9) TV").model.endswith("X 9")
    assert ParsedAgent("X").model == "X"


def test_the_matcher_in_python_is_not_loaded_and_can_be_loaded_later() -> None:
    program = """
import sys
import ingest.enrichment.parsed_agent
assert "ua_parser_builtins.regexes" not in sys.modules
from ua_parser import user_agent_parser
assert user_agent_parser.Parse("Mozilla/5.0 Firefox/133.0")["user_agent"]["family"] == "Firefox"
"""
    subprocess.run([sys.executable, "-c", program], check=True)
