"""Operations that show files as devices would get them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import Args, Param
from provd.app.caller import Caller
from provd.app.preview import NOBODY, Shown
from provd.base.errors import NotFoundError, UsageError
from provd.base.types import is_thing
from provd.domain.names import name_for
from provd.domain.records import MASTER_TENANT, Device
from provd.domain.vocabulary import RELEASE

_DEFAULT_LOCAL = "127.0.0.1"
_NAME, _LOCAL = Param("name"), Param("local")


class Rendering:
    """``device.render``, ``device.render_as``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        return (
            Operation(
                "device.render",
                "Show a file as it would be served.",
                self._render,
                (
                    Param("mac", "device", required=True),
                    _NAME,
                    _LOCAL,
                    Param("reveal", "flag"),
                    Param("diff", "flag", doc="against what was served last; with reveal only, it shows passwords"),
                ),
            ),
            Operation(
                "device.render_as",
                "Show a file as a device of some model would get it.",
                self._render_as,
                (
                    Param("model", required=True),
                    Param("firmware"),
                    _NAME,
                    _LOCAL,
                    Param("tenant"),
                    Param("profile"),
                    Param("line", "texts"),
                    Param("settings", "settings"),
                ),
            ),
        )

    async def _render(self, args: Args, caller: Caller) -> object:
        desk = self._desk
        device = desk.device(args.mac(), caller)
        desk.need_all_lines(device, caller)
        reveal = args.flag("reveal")
        if args.flag("diff") and not reveal:
            raise UsageError("diff: needs reveal as well, for what was served has its passwords in it")
        name = args.text("name") or self._own_name(device)
        shown = await desk.boot.previews.of_device(device, name, args.text("local"), reveal=reveal)
        if reveal:
            await desk.audit("device.reveal", device.mac, caller, tenant=device.tenant)
        view = _view(shown, name)
        return {**view, "diff": _difference(shown, name)} if args.flag("diff") else view

    async def _render_as(self, args: Args, caller: Caller) -> object:
        desk = self._desk
        found = next(
            ((each, model) for each in desk.knowledge.catalogue.manifests if (model := each.model(args.text("model")))),
            None,
        )
        if found is None:
            raise NotFoundError(f"no plugin knows a model {args.text('model')!r}")
        manifest, model = found
        lines = [desk.line(name, caller) for name in args.texts("line")]
        firmware = args.text("firmware")
        if firmware and (fault := RELEASE.fault(firmware)):
            raise UsageError(f"firmware: {fault}, not {firmware[:60]!r}")
        owner = args.text("tenant") or caller.tenant or (lines[0].tenant if lines else MASTER_TENANT)
        device = Device(
            mac=NOBODY,
            vendor=manifest.vendor,
            model=model.name,
            version=firmware,
            plugin=manifest.id,
            tenant=desk.tenant(owner, caller).id,
            lines=tuple(line.id for line in lines),
            profile=desk.profile(args.text("profile"), caller).id if args.text("profile") else "",
            settings=desk.settings({}, args),
        )
        name = args.text("name") or self._own_name(device)
        return _view(await desk.boot.previews.of_model(device, name, self._local(args)), name)

    def _own_name(self, device: Device) -> str:
        if is_thing(device.mac):
            return next((name for name, _, _ in self._desk.knowledge.own_files(device)), "")
        manifest = self._desk.knowledge.manifest(device.plugin)
        rules = () if manifest is None else manifest.files
        own = (rule.name for rule in rules if rule.kind == "device")
        return next((name_for(pattern, device.mac, device.model) for pattern in own), "")

    @staticmethod
    def _local(args: Args) -> str:
        return args.text("local") or _DEFAULT_LOCAL


def _view(shown: Shown, name: str) -> dict[str, object]:
    reply = shown.reply
    text = bytes(reply.body).decode("utf-8", "replace")
    return {"name": name, "plugin": reply.plugin, "content_type": reply.content_type, "text": text}


def _difference(shown: Shown, name: str) -> str:
    """A unified difference. Raises NotFoundError when there is nothing to compare with."""
    if shown.last is None:
        raise NotFoundError(f"{name!r} was not fetched, or so long ago that what was served is not at hand any more")
    try:
        before = shown.last.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise NotFoundError(f"{name!r} was served encrypted") from None
    after = bytes(shown.reply.body).decode("utf-8", "replace").splitlines()
    lines = difflib.unified_diff(before, after, f"{name} as served", f"{name} as it would be", lineterm="")
    return "".join(f"{line}\n" for line in lines)
