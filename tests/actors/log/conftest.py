import pytest

pytest.register_assert_rewrite("tests.actors.log.checks", "tests.actors.log.writable_checks")
