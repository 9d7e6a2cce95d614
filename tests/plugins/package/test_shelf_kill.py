"""Whoever writes to the shelf is killed at every single step: what is there afterwards is the old or the new."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provd.plugins.package.archive import Package
from provd.plugins.package.shelf import BUNDLED, Choice, Shelf

FILES = {"plugin.toml": b"one", "templates/a.j2": b"x" * 10_000, "templates/b.j2": b"y", "README.md": b"z"}
STEPS = frozenset(
    {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.scandir", "tempfile.mkdtemp"}
)


def package(version: str) -> Package:
    return Package("acme", {**FILES, "plugin.toml": version.encode()})


def killed_at(step: int, root: Path, act: Callable[[Shelf], object]) -> bool:
    """Do it in a process of its own, which is killed before its so-manieth step; whether it was."""
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in STEPS and any(isinstance(each, str | bytes | Path) for each in arguments):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        code = 1
        try:
            act(Shelf(root))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def at_every_step(folder: Path, prepare: Callable[[Shelf], object], act: Callable[[Shelf], object]) -> Iterator[Shelf]:
    """The shelf as it is found after a kill at each step in turn; after that the same is done to its end."""
    step = 0
    while True:
        step += 1
        root = folder / f"{step}"
        prepare(Shelf(root))
        again = killed_at(step, root, act)
        yield Shelf(root)
        act(Shelf(root))
        if not again:
            break
        shutil.rmtree(root)
    assert step > 3, "it has been killed at all"


def whole(shelf: Shelf) -> list[str]:
    """The versions on the shelf; each of them has to be complete."""
    for version in shelf.versions("acme"):
        for name, content in package(version).files.items():
            assert (shelf.root / "acme" / version / name).read_bytes() == content, (version, name)
    return shelf.versions("acme")


def one(shelf: Shelf) -> None:
    shelf.put(package("1.0.0"), "1.0.0")
    shelf.choose("acme", shelf.choice("acme").then("1.0.0"))


def both(shelf: Shelf) -> None:
    one(shelf)
    shelf.put(package("1.1.0"), "1.1.0")


def upgraded(shelf: Shelf) -> None:
    both(shelf)
    shelf.choose("acme", shelf.choice("acme").then("1.1.0"))


def test_installing(tmp_path: Path) -> None:
    seen = set()
    for shelf in at_every_step(tmp_path, lambda _: None, lambda shelf: shelf.put(package("1.0.0"), "1.0.0")):
        assert whole(shelf) in ([], ["1.0.0"])
        assert shelf.choice("acme") == Choice(), "nothing is in force by that"
        seen.add(len(shelf.versions("acme")))
    assert seen == {0, 1}
    assert not list((shelf.root / "acme").glob(".*")), "nothing is left half unpacked"


@pytest.mark.parametrize(
    ("prepare", "was", "becomes", "back"),
    [(both, "1.0.0", "1.1.0", False), (upgraded, "1.1.0", "1.0.0", True), (upgraded, "1.1.0", BUNDLED, False)],
)
def test_upgrading_rolling_back_and_removing(
    tmp_path: Path, prepare: Callable[[Shelf], None], was: str, becomes: str, *, back: bool
) -> None:
    def act(shelf: Shelf) -> None:
        present = shelf.choice("acme")
        wanted = Choice(becomes, present.history[:-1]) if back and present.in_force == was else present.then(becomes)
        shelf.choose("acme", wanted)

    seen = set()
    for shelf in at_every_step(tmp_path, prepare, act):
        assert whole(shelf) == ["1.0.0", "1.1.0"]
        seen.add(shelf.choice("acme").in_force)
    assert seen == {was, becomes}


def test_discarding(tmp_path: Path) -> None:
    def act(shelf: Shelf) -> None:
        if "1.0.0" in shelf.versions("acme"):
            shelf.discard("acme", "1.0.0")

    seen = set()
    for shelf in at_every_step(tmp_path, upgraded, act):
        assert shelf.choice("acme").in_force == "1.1.0"
        assert whole(shelf) in (["1.0.0", "1.1.0"], ["1.1.0"])
        seen.add(len(shelf.versions("acme")))
    assert seen == {1, 2}
