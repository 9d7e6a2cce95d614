"""What a change of version would do, seen before any phone does."""

from __future__ import annotations

from dataclasses import replace
from weakref import ref

import pytest

from provd.app.context import ContextMaker, Subject
from provd.app.packages.ports import BUNDLED
from provd.app.packages.trial import MOST_SHOWN, Outcome, Trial, _File, _Found, plain
from provd.app.ports import RenderJob
from provd.app.site import Site
from provd.app.works import Progress
from provd.base.errors import PluginError
from provd.base.types import Mac
from provd.plugin import FileRule, Model
from tests.app.fakes import ACME, BOLT, OTHER, PHONE, MemoryJournal, World, claimed, line, tenant
from tests.app.packages.shelf import FixedPackages, Making

NEWER = replace(ACME, version="2.0.0")


def constant(body: bytes) -> Making:
    return lambda _: body


def with_password(job: RenderJob) -> bytes:
    lines = job.context["lines"]
    assert isinstance(lines, list)
    return "\n".join(f"password = {each['password']}" for each in lines).encode() + b"\nchanged\n"


class Fleet:
    """Two phones of Acme, one of Bolt, and two versions of Acme's plugin."""

    def __init__(self, before: Making, after: Making, newer=NEWER, *more, secrets: str = "bound") -> None:
        phones = (claimed(PHONE, "n1"), claimed(OTHER), claimed(BOLT, plugin="bolt", model="B9"), *more)
        self.world = World(MemoryJournal(tenant(), line(), *phones), Site(secrets=secrets))
        self.packages = FixedPackages()
        self.packages.lay(ACME, BUNDLED, before)
        self.packages.lay(newer, "2.0.0", after)
        self.progress = Progress()

    async def outcome(self, before: str | None = BUNDLED, after: str | None = "2.0.0") -> Outcome:
        world, packages = self.world, self.packages
        maker = lambda: ContextMaker(world.fleet.tables, world.tokens, lambda _: None)  # noqa: E731
        old = None if before is None else await packages.candidate("acme", before)
        new = None if after is None else await packages.candidate("acme", after)
        return await Trial(world.boot.station, maker, packages).run(old, new, "acme", self.progress)


async def test_nothing_changes() -> None:
    fleet = Fleet(constant(b"x"), constant(b"x"))
    outcome = await fleet.outcome()
    # Two device files each, and one common file of the one model.
    assert (outcome.devices, outcome.files, outcome.same, outcome.changed) == (2, 5, 5, 0)
    assert (outcome.before, outcome.after) == ("1.0.0", "2.0.0")
    assert not outcome.harmful
    assert (fleet.progress.done, fleet.progress.total) == (5, 5)


async def test_what_changes_is_shown_without_passwords() -> None:
    fleet = Fleet(lambda job: with_password(job).replace(b"changed", b"as before"), with_password)
    outcome = await fleet.outcome()
    assert outcome.changed == 5
    shown = next(each for each in outcome.diffs if each["device"] == "02:aa:aa:00:00:01" and "cfg" in each["name"])
    assert "-as before" in shown["diff"]
    assert "+changed" in shown["diff"]
    assert "password = ***" in shown["diff"]
    assert "secret-n1" not in str(plain(outcome))


async def test_a_change_of_the_password_alone_is_seen_and_not_shown() -> None:
    # The second version writes it twice.
    def twice(job: RenderJob) -> bytes:
        (first, *_) = job.context["lines"] or [{"password": ""}]
        return f"{first['password']}{first['password']}".encode()

    def once(job: RenderJob) -> bytes:
        return "".join(each["password"] for each in job.context["lines"]).encode()

    outcome = await Fleet(once, twice).outcome()
    assert outcome.changed == 1, "the claimed phone's own file"
    assert "secret-n1" not in str(plain(outcome))


async def test_what_fails_is_harm() -> None:
    def fails(job: RenderJob) -> bytes:
        raise PluginError(f"{job.plugin}: device.j2:3: 'nope' is undefined")

    outcome = await Fleet(constant(b"x"), fails).outcome()
    assert outcome.failed == 5
    assert outcome.harmful
    assert "02:aa:aa:00:00:01 02aaaa000001.cfg: device.j2:3: 'nope' is undefined" in outcome.reasons


async def test_reasons_are_told_of_the_first_ones_and_the_others_are_counted() -> None:
    def fails(_job: RenderJob) -> bytes:
        raise PluginError("x" * 10_000)

    many = [claimed(Mac(f"02aaaa{number:06x}")) for number in range(100, 150)]
    outcome = await Fleet(constant(b"x"), fails, NEWER, *many).outcome()
    assert outcome.failed == 2 * 52 + 1
    assert (len(outcome.reasons), outcome.untold) == (MOST_SHOWN, outcome.failed - MOST_SHOWN)
    assert outcome.reasons[0].startswith("02:aa:aa:00:00:01 02aaaa000001"), "those of the first devices"
    assert {len(reason) for reason in outcome.reasons} == {500}


def test_no_more_of_them_are_kept_however_many_there_are() -> None:
    found = _Found(Outcome("acme", "1", "2"))
    numbers = [(number * 7919) % 5000 for number in range(5000)]
    for number in numbers:
        found.tell(_File(number, "whose", f"{number}.cfg", None, "A1", None, None), "does not work")
    assert sorted(-number for number, _ in found.reasons) == list(range(MOST_SHOWN)), "whichever came first"
    assert found.outcome.untold == 5000 - MOST_SHOWN


async def test_what_failed_before_is_no_new_harm_and_what_is_mended_is_news() -> None:
    def fails(_job: RenderJob) -> bytes:
        raise PluginError("broken")

    assert (await Fleet(fails, fails).outcome()).same == 5
    assert (await Fleet(fails, constant(b"x")).outcome()).appear == 5


async def test_models_and_files_that_are_gone_or_new() -> None:
    files = tuple(rule for rule in ACME.files if rule.name != "{mac}-ring.txt")
    newer = replace(NEWER, models=(Model("A9"),), files=(*files, FileRule("{mac}.new", "device", "new.j2")))
    outcome = await Fleet(constant(b"x"), constant(b"x"), newer).outcome()
    assert outcome.unknown == {"A1": 2}
    assert (outcome.vanish, outcome.appear, outcome.same) == (2, 2, 3)
    assert outcome.harmful


async def test_a_plugin_that_was_not_there_and_one_that_goes() -> None:
    fleet = Fleet(constant(b"x"), constant(b"x"))
    assert (await fleet.outcome(before=None)).appear == 5
    outcome = await fleet.outcome(after=None)
    assert (outcome.vanish, outcome.after) == (5, "")


async def test_many_phones_are_counted_and_a_few_are_shown() -> None:
    many = [claimed(Mac(f"02aaaa{number:06x}")) for number in range(100, 400)]
    outcome = await Fleet(constant(b"x\n"), constant(b"y\n"), NEWER, *many).outcome()
    assert (outcome.changed, len(outcome.diffs)) == (2 * 302 + 1, MOST_SHOWN)


async def test_tokens_in_urls_are_rendered_and_not_shown() -> None:
    def url(job: RenderJob) -> bytes:
        return job.context["urls"]["files"].encode() + b"\n"

    fleet = Fleet(url, lambda job: b"at " + url(job), secrets="token")
    outcome = await fleet.outcome()
    token = fleet.world.tokens.token(PHONE)
    assert token not in str(plain(outcome))
    assert "/***" in str(plain(outcome))


async def test_a_defect_of_ours_is_not_swallowed() -> None:
    def broken(_job: RenderJob) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Fleet(constant(b"x"), broken).outcome()


async def test_what_a_file_was_made_from_is_let_go_when_it_was_compared() -> None:
    class Made(dict[str, object]):
        """One that a weak reference can be had of."""

    class Maker(ContextMaker):
        def make(self, subject: Subject, site: Site) -> dict[str, object]:
            context = Made(super().make(subject, site))
            made.append(ref(context))
            return context

    made: list[ref[Made]] = []
    alive: list[int] = []

    def making(_: RenderJob) -> bytes:
        alive.append(sum(each() is not None for each in made))
        return b"x"

    fleet = Fleet(making, making, NEWER, *(claimed(Mac(f"02cc00{number:06x}")) for number in range(50)))
    sides = [await fleet.packages.candidate("acme", choice) for choice in (BUNDLED, "2.0.0")]
    world = fleet.world
    trial = Trial(world.boot.station, lambda: Maker(world.fleet.tables, world.tokens, lambda _: None), fleet.packages)
    await trial.run(*sides, "acme", fleet.progress)
    assert len(made) > 100
    assert max(alive) < 20
