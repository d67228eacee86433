import pytest

pytest.register_assert_rewrite("tests.actors.log.checks")
