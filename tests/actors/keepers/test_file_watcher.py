from pathlib import Path

import pytest
import trio

from actors.keepers.file_watcher import FileWatcher, stamp


class WrongError(Exception):
    pass


class Watched:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.write_text("first")
        self.content = "first"
        self.actor = FileWatcher(
            "sites",
            path,
            self.load,
            self.replace,
            mistakes=(WrongError, OSError),
            known=stamp(path),
        )

    def load(self, path: Path) -> str:
        text = path.read_text()
        if text == "bug":
            raise ZeroDivisionError
        if text == "a mistake":
            raise WrongError("line 1: wrong")
        return text

    def replace(self, content: str) -> None:
        self.content = content


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "sites.toml")


async def test_takes_over_a_change(watched: Watched) -> None:
    await watched.actor.look()
    watched.path.write_text("second")
    await watched.actor.look()
    assert (watched.content, watched.actor.problem) == ("second", None)


async def test_keeps_the_old_content_and_says_why(watched: Watched) -> None:
    watched.path.write_text("a mistake")
    await watched.actor.look()
    assert (watched.content, watched.actor.problem) == ("first", "line 1: wrong")
    assert watched.actor.status() == {
        "status": "degraded",
        "reason": "line 1: wrong",
        "file_written_ns": watched.path.stat().st_mtime_ns,
    }
    watched.path.write_text("mended")
    await watched.actor.look()
    assert watched.content == "mended"
    assert not watched.actor.problem
    written = watched.path.stat().st_mtime_ns
    assert watched.actor.status() == {"status": "ok", "file_written_ns": written}


async def test_keeps_the_old_content_of_a_file_that_is_gone(watched: Watched) -> None:
    watched.path.unlink()
    await watched.actor.look()
    assert watched.content == "first"
    assert watched.actor.problem is not None
    watched.path.write_text("back")
    await watched.actor.look()
    assert watched.content == "back"
    assert not watched.actor.problem


async def test_does_not_fail_twice_on_the_same_state(watched: Watched) -> None:
    watched.path.write_text("bug")
    with pytest.raises(ZeroDivisionError) as failure:
        await watched.actor.look()
    watched.actor.failed(failure.value)
    await watched.actor.look()
    assert watched.actor.problem == "unexpected ZeroDivisionError"


async def test_looks_every_second(watched: Watched, autojump_clock: trio.testing.MockClock) -> None:
    autojump_clock.autojump_threshold = 0.2
    watched.path.write_text("second")
    with trio.move_on_after(1.9):
        await watched.actor.run()
    assert watched.content == "second"
