"""The pool makes files from patterns: once asked, and without its process."""

import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from provd.app.ports import RenderJob
from provd.base.errors import PluginError
from provd.domain.overrides import Overlay
from provd.plugin import FileRule
from provd.plugins.render import RENDERER, RenderPool
from provd.plugins.render_patterns import Patterns
from provd.plugins.render_worker import Launch
from tests.plugins.test_render import Clock

SETTINGS = {"vendor": {}}
FIXED = "a = {{ name }} {{ n }}\n"


class Fleet:
    """A pool whose process leaves a line in a file for each message that it gets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template(FIXED)
        self.facts: list[object] = []
        self.pool = RenderPool(lambda _: [folder], Clock(), self.facts.append)
        self.asked: list[str] = []
        encode = self.pool._encoder.encode

        def encoding(request):
            self.asked.append("file" if request.needs is None else "pattern")
            return encode(request)

        self.pool._encoder.encode = encoding

    def template(self, text: str) -> None:
        (self.folder / "file.j2").write_text(text, encoding="utf-8")

    @staticmethod
    def job(name: str, n: int = 1, *, alike: bool = True, plugin: str = "maker") -> RenderJob:
        rule = FileRule(name="file", kind="device", template="file.j2", format="keyvalue")
        return RenderJob(
            plugin, rule, {"name": name, "n": n, "settings": SETTINGS}, frozenset({"settings"}), alike=alike
        )

    async def files(self, *jobs: RenderJob) -> list[bytes]:
        return await asyncio.gather(*map(self.pool.render, jobs))


@pytest.fixture
async def fleet(tmp_path) -> AsyncIterator[Fleet]:
    fleet = Fleet(tmp_path)
    await fleet.pool.start()
    yield fleet
    await fleet.pool.close()


async def test_many_alike_files_take_one_rendering(fleet):
    assert fleet.pool.at_hand(fleet.job("Ana")) is None
    assert await fleet.files(*(fleet.job(f"n{k}") for k in range(50))) == [f"a = n{k} 1\n".encode() for k in range(50)]
    assert fleet.asked == ["pattern"]
    assert fleet.pool.at_hand(fleet.job("Ana")) == b"a = Ana 1\n"


async def test_another_shape_is_another_rendering(fleet):
    assert await fleet.files(fleet.job("x", 1), fleet.job("y", 2), fleet.job("", 1)) == [
        b"a = x 1\n",
        b"a = y 2\n",
        b"a =  1\n",
    ]
    assert fleet.asked == ["pattern"] * 3
    assert fleet.pool.at_hand(fleet.job("z", 2)) == b"a = z 2\n"
    assert fleet.pool.at_hand(fleet.job("z", 3)) is None


async def test_a_text_that_is_looked_at_is_a_shape_of_its_own(fleet):
    fleet.template("a = {{ 1 if name == 'Ana' else 2 }}\n")
    assert await fleet.files(*map(fleet.job, ("Ana", "Bob", "Ana", "Eve"))) == [
        b"a = 1\n",
        b"a = 2\n",
        b"a = 1\n",
        b"a = 2\n",
    ]
    assert fleet.pool.at_hand(fleet.job("Ana")) == b"a = 1\n"
    assert fleet.pool.at_hand(fleet.job("Bob")) == b"a = 2\n"
    assert fleet.pool.at_hand(fleet.job("Tom")) is None


async def test_what_is_not_alike_is_rendered_each_time(fleet):
    assert await fleet.files(*(fleet.job("x", alike=False) for _ in range(3))) == [b"a = x 1\n"] * 3
    assert fleet.asked == ["file"] * 3
    other = dataclasses.replace(fleet.job("x"), rule=FileRule("f", "device", template="file.j2", format="text"))
    assert await fleet.pool.render(other) == b"a = x 1\n"
    assert fleet.pool.at_hand(other) is None


async def test_what_has_no_pattern_is_rendered_each_time(fleet):
    fleet.template("{{ name }} = 1\n")
    assert await fleet.files(*map(fleet.job, "abc")) == [b"a = 1\n", b"b = 1\n", b"c = 1\n"]
    assert await fleet.files(fleet.job("d")) == [b"d = 1\n"]
    assert fleet.asked == ["pattern", "file", "file", "file"]


async def test_a_text_that_may_not_be_written_is_refused_as_ever(fleet):
    await fleet.files(fleet.job("x"))
    with pytest.raises(PluginError, match=r"file.j2:1: name contains the character U\+000A"):
        await fleet.pool.render(fleet.job("x\ny"))
    assert fleet.pool.at_hand(fleet.job("x\ny")) is None


async def test_an_error_is_told_to_everybody_and_tried_twice(fleet):
    fleet.template("a = {{ nothing }}\n")
    found = await asyncio.gather(*(fleet.pool.render(fleet.job("x")) for _ in range(3)), return_exceptions=True)
    assert {str(error) for error in found} == {"maker: file.j2:1: 'nothing' is undefined"}
    assert fleet.asked == ["pattern", "pattern", "file"]


async def test_a_reload_forgets_patterns_and_leaves_nobody_waiting(fleet):
    first = asyncio.gather(*(fleet.pool.render(fleet.job(f"n{k}")) for k in range(3)))
    fleet.template("b = {{ name }}\n")
    fleet.pool.reload()
    bodies = await first
    assert {body[:1] for body in bodies} <= {b"a", b"b"}
    assert await fleet.files(fleet.job("x")) == [b"b = x\n"]
    fleet.template("c = {{ name }}\n")
    fleet.pool.reload()
    assert fleet.pool.at_hand(fleet.job("x")) is None
    assert await fleet.files(fleet.job("x")) == [b"c = x\n"]


async def test_whoever_hangs_up_takes_no_pattern_from_the_others(fleet):
    one, two = fleet.pool.render(fleet.job("x")), fleet.pool.render(fleet.job("y"))
    one.cancel()
    assert await two == b"a = y 1\n"
    assert fleet.asked == ["pattern"]


async def test_nobody_waits_for_a_pool_that_is_closed(fleet):
    waiting = [fleet.pool.render(fleet.job(name)) for name in "abc"]
    await fleet.pool.close()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(error, PluginError) for error in found)
    assert fleet.pool.at_hand(fleet.job("a")) is None


async def test_a_renderer_that_does_not_start_is_waited_for_once(tmp_path):
    starts = tmp_path / "starts"
    program = f"open({str(starts)!r}, 'a').write('x'); raise SystemExit('no')"
    launch = Launch((RENDERER.command[0], "-c", program), RENDERER.start_seconds, RENDERER.wall_seconds)
    pool = RenderPool(lambda _: [tmp_path], Clock(), lambda _: None, launch=launch)
    await pool.start()
    found = await asyncio.gather(*(pool.render(Fleet.job(name)) for name in "abcd"), return_exceptions=True)
    assert {str(error) for error in found} == {"maker: the renderer does not start: no"}
    assert starts.read_text() == "x"
    # Nothing is known of the template by that: it is looked at when a process is there.
    assert len(pool._patterns) == 0
    await pool.close()


@pytest.mark.parametrize(
    "answer", ["[]", "nonsense", '[[],["\\ud800"]]', "[" * 5000, '[[],["a",9]]', "[[],[0]]", '[[["name"]],["a",1]]']
)
async def test_a_renderer_that_describes_no_pattern_is_asked_for_the_file(tmp_path, answer):
    program = (
        "import socket, sys; s = socket.socket(fileno=0); f = s.makefile('rb'); s.sendall(bytes((0, 0, 0, 1, 0)))\n"
        "for answer in (b'\\4' + sys.argv[1].encode(), b'\\1file'):\n"
        "    f.read(int.from_bytes(f.read(4), 'big')); s.sendall(len(answer).to_bytes(4, 'big') + answer)\n"
        "f.read(1)"
    )
    launch = Launch((RENDERER.command[0], "-c", program, answer), RENDERER.start_seconds, RENDERER.wall_seconds)
    pool = RenderPool(lambda _: [tmp_path], Clock(), lambda _: None, launch=launch)
    await pool.start()
    assert await pool.render(Fleet.job("x")) == b"file"
    assert pool.at_hand(Fleet.job("x")) is None
    await pool.close()


async def test_a_pattern_is_no_answer_to_who_wants_a_file(tmp_path):
    program = (
        "import socket; s = socket.socket(fileno=0); f = s.makefile('rb'); s.sendall(bytes((0, 0, 0, 1, 0)))\n"
        "f.read(int.from_bytes(f.read(4), 'big')); s.sendall(bytes((0, 0, 0, 1, 4)))\n"
        "f.read(1)"
    )
    launch = Launch((RENDERER.command[0], "-c", program), RENDERER.start_seconds, RENDERER.wall_seconds)
    pool = RenderPool(lambda _: [tmp_path], Clock(), lambda _: None, launch=launch)
    await pool.start()
    with pytest.raises(PluginError, match="nobody asked"):
        await pool.render(Fleet.job("x", alike=False))
    await pool.close()


def test_old_patterns_make_room():
    patterns = Patterns(most=10_000)
    shapes = [patterns.shape(Fleet.job("x", n)) for n in range(10)]
    for shape in shapes:
        patterns.begin(shape)
    assert len(patterns) == 4
    assert patterns.find(shapes[-1]) is not None
    assert patterns.find(shapes[0]) is None


def begun(patterns: Patterns, **changes: Any) -> None:
    shape = patterns.shape(dataclasses.replace(Fleet.job("x"), **changes))
    assert shape is not None
    patterns.begin(shape)


def test_what_patterns_are_known_by_and_keep_alive_takes_room_too():
    large = {f"entry{n}": "x" * 100 for n in range(1000)}
    patterns = Patterns(most=1 << 20)
    for n in range(50):
        begun(patterns, context={"name": "x", "settings": {**large, "n": n}})
    assert 0 < len(patterns) < 10
    patterns = Patterns(most=1 << 20)
    for n in range(50):
        begun(patterns, context={"name": "x", "n": n, "list": list(range(1000))})
    assert 0 < len(patterns) < 10


def test_what_many_patterns_share_takes_room_once():
    large = {f"entry{n}": "x" * 100 for n in range(1000)}
    patterns = Patterns(most=1 << 20)
    for n in range(50):
        begun(patterns, context={"name": "x", "n": n, "settings": large})
    assert len(patterns) == 50
    patterns.drop("maker")
    assert (len(patterns), patterns._octets, patterns._shared) == (0, 0, {})


def test_templates_without_patterns_are_forgotten():
    patterns = Patterns(most=10_000)
    for n in range(100):
        begun(patterns, overlay=Overlay(digest=f"{n}"))
    for n in range(100):
        assert patterns.shape(Fleet.job("x", plugin=f"p{n}")) is not None
    assert len(patterns._templates) == len(patterns) < 10


async def test_what_is_known_of_patterns_adds_up(fleet):
    """Also where a template looks at one text more with every other file."""
    fleet.template("{% if n == 2 %}a = {{ 1 if name == 'Ana' else 2 }}{% else %}b = {{ name }}{% endif %}")
    bodies = await fleet.files(*(fleet.job(name, n) for n in (1, 2) for name in ("Ana", "Bob", "Eve")))
    assert bodies == [b"b = Ana", b"b = Bob", b"b = Eve", b"a = 1", b"a = 2", b"a = 2"]
    patterns = fleet.pool._patterns
    assert sum(each.known for each in patterns._templates.values()) == len(patterns) > 0
    fleet.pool.moved("maker")
    assert (len(patterns), patterns._octets, patterns._shared, patterns._templates) == (0, 0, {}, {})


async def test_a_plugin_whose_templates_moved_has_no_patterns_left_and_the_others_have(fleet):
    await fleet.files(fleet.job("x"), fleet.job("x", plugin="other"))
    fleet.pool.moved("maker")
    assert fleet.pool.at_hand(fleet.job("y")) is None
    assert fleet.pool.at_hand(fleet.job("y", plugin="other")) == b"a = y 1\n"


class Versions:
    """A pool and a plugin with several folders, one of them in force, beside another plugin."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = ["one"]
        self.pool = RenderPool(self._folders, Clock(), lambda _: None)
        for name in ("one", "two", "other"):
            self.put(name, f"a = {name}\n")

    def _folders(self, plugin: str) -> list[Path]:
        return [self.root / name for name in (self.now if plugin == "maker" else [plugin])]

    def put(self, name: str, text: str) -> None:
        (self.root / name).mkdir(exist_ok=True)
        (self.root / name / "file.j2").write_text(text, encoding="utf-8")

    def choose(self, *names: str) -> None:
        self.now = list(names)
        self.pool.moved("maker")

    async def file(self, plugin: str = "maker", *, alike: bool = False) -> str:
        return (await self.pool.render(Fleet.job("x", plugin=plugin, alike=alike))).decode()


@pytest.fixture
async def versions(tmp_path) -> AsyncIterator[Versions]:
    versions = Versions(tmp_path)
    await versions.pool.start()
    yield versions
    await versions.pool.close()


@pytest.mark.parametrize("alike", [False, True])
async def test_a_corrected_package_of_the_same_version_is_compiled_anew(versions, alike):
    assert await versions.file(alike=alike) == "a = one\n"
    versions.choose("two")
    assert await versions.file(alike=alike) == "a = two\n"
    shutil.rmtree(versions.root / "one")
    versions.put("one", "a = new\n")
    versions.choose("one")
    assert await versions.file(alike=alike) == "a = new\n"


async def test_what_was_compiled_before_a_choice_that_came_to_nothing_is_compiled_anew(versions):
    await versions.pool.warm([versions.root / "two"], [("file.j2", "keyvalue")])
    versions.put("two", "a = new\n")
    await versions.pool.warm([versions.root / "two"], [("file.j2", "keyvalue")])
    versions.choose("two")
    assert await versions.file() == "a = new\n"


async def test_overrides_that_were_edited_meanwhile_are_compiled_anew(versions):
    versions.put("own", "a = own\n")
    versions.choose("own", "one")
    assert await versions.file() == "a = own\n"
    versions.put("own", "a = edited\n")
    versions.choose("own", "two")
    versions.choose("own", "one")
    assert await versions.file() == "a = edited\n"


async def test_what_others_have_compiled_stays_where_nothing_has_changed(versions):
    assert [await versions.file(), await versions.file("other")] == ["a = one\n", "a = other\n"]
    epoch = versions.pool._epoch
    for name in ("two", "one", "two"):
        versions.choose(name)
        assert await versions.file() == f"a = {name}\n"
    assert versions.pool._epoch == epoch
