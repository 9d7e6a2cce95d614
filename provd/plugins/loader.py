"""From ``plugin.toml`` to a :class:`~provd.plugin.Manifest`, or every error in it at once."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from provd.base.errors import PluginError
from provd.base.types import ip_int
from provd.domain.capability import covers
from provd.domain.names import MAC_MARK, MODEL_MARK, SERIAL_MARK
from provd.domain.route import COMMON_MARK, ambiguities
from provd.domain.settings import KNOWN, NUMBERED
from provd.plugin import (
    CONTRACT,
    ActionUri,
    DhcpAdvice,
    FileRule,
    Manifest,
    Match,
    Model,
    OptionValue,
    OuiRule,
    PnpAdvice,
    ResyncAdvice,
    Writes,
)
from provd.plugins.expression import faults
from provd.plugins.firmware.listed import packages
from provd.plugins.schema import (
    DhcpRow,
    FileRow,
    ManifestFile,
    ModelRow,
    OptionRow,
    PnpRow,
    ResyncRow,
    WritesRow,
    keys_at,
)
from provd.plugins.steps import step_problems, steps_of

MANIFEST = "plugin.toml"
PLACEHOLDERS = frozenset({"base", "host", "port", "path", "address", "tftp", "mac"})

_LARGEST = 1 << 20
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_TRAIT = re.compile(r"[a-z][a-z0-9_]{0,39}")


class ManifestError(PluginError):
    """A manifest that cannot be used. ``problems`` has one sentence for each error, each with its key."""

    def __init__(self, origin: Path, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{origin}: {problem}" for problem in self.problems))


def load(folder: Path, plugin: str = "") -> Manifest:
    """Read and check the plugin in that folder, which has its id as name unless ``plugin`` says it.

    Raises ManifestError (a PluginError) with every error found.
    """
    origin = folder / MANIFEST
    content = _content(origin)
    try:
        file = ManifestFile.model_validate(content)
    except ValidationError as error:
        raise ManifestError(origin, _explained(error, content)) from None
    found, listed = packages(folder, {row.name for row in file.model})
    problems = [*_problems(file, plugin or folder.name), *listed]
    if not problems:
        manifest = replace(_manifest(file, _names(folder, file.names)), packages=found)
        problems = [f"file: two rules would answer {name!r}" for name in ambiguities(manifest)]
        if not problems:
            return manifest
    raise ManifestError(origin, problems)


def _content(origin: Path) -> dict[str, Any]:
    try:
        if origin.stat().st_size > _LARGEST:
            raise ManifestError(origin, ["larger than 1 MiB"])
        return tomllib.loads(origin.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(origin, [f"cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ManifestError(origin, ["is not UTF-8"]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ManifestError(origin, [f"is not TOML: {error}"]) from None


def _explained(error: ValidationError, content: Mapping[str, Any]) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_context=False):
        location = fault["loc"]
        if fault["type"] == "extra_forbidden":
            key = str(location[-1])
            message = "unknown key" + did_you_mean(key, keys_at(location[:-1]))
        else:
            message = fault["msg"]
        yield f"{_place(location, content)}: {message}"


def _place(location: tuple[int | str, ...], content: Mapping[str, Any]) -> str:
    """``model[3] (T21P).lines``: the row's number from 1, and its name where it has one."""
    text = ""
    value: Any = content
    for part in location:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and part < len(value) else None
            text += f"[{part + 1}]"
            name = value.get("name") if isinstance(value, dict) else None
            text += f" ({name})" if isinstance(name, str) else ""
        else:
            value = value.get(part) if isinstance(value, dict) else None
            text += f".{part}" if text else part
    return text or MANIFEST


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``, did you mean 'lines'?`` when something known is near, else nothing."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f", did you mean {near[0]!r}?" if near else ""


def _problems(file: ManifestFile, folder: str) -> Iterator[str]:
    if file.id != folder:
        yield f"id: {file.id!r} is not the name of its folder, {folder!r}"
    if file.contract != CONTRACT:
        yield f"contract: written for version {file.contract}, this provd speaks {CONTRACT}"
    yield from _model_problems(file)
    names = {row.name for row in file.model}
    for number, match in enumerate(file.match, 1):
        place = f"match[{number}]"
        yield from (f"{place}.regex: {fault}" for fault in faults(match.regex))
        yield from _unknown_models(f"{place}.model", [match.model] if match.model else [], names)
        if match.model and "(?P<model>" in match.regex:
            yield f"{place}.model: the expression has a model group already"
        yield from _start_problems(f"{place}.starts", match.starts)
    for number, oui in enumerate(file.oui, 1):
        yield from _unknown_models(f"oui[{number}].models", oui.models, names)
    yield from _file_problems(file)
    yield from _dhcp_problems(file, names)
    if file.resync is not None:
        yield from _resync_problems(file.resync)
    if file.pnp is not None:
        yield from _pnp_problems(file.pnp)
    yield from step_problems(file.step)
    fields = {"lines", "keys", "ports", *file.traits}
    for number, row in enumerate(file.writes, 1):
        yield from (f"writes[{number}].{fault}" for fault in _writes_faults(row, fields))


def _model_problems(file: ManifestFile) -> Iterator[str]:
    own = set(ModelRow.model_fields)
    for trait in file.traits:
        if trait in own or not _TRAIT.fullmatch(trait):
            yield f"traits.{trait}: not a name for a trait"
    owners: dict[str, str] = {}
    for number, row in enumerate(file.model, 1):
        place = f"model[{number}] ({row.name})"
        for word in (row.name, *row.aliases):
            owner = owners.setdefault(word.lower(), row.name)
            if owner != row.name or (word is row.name and word in row.aliases):
                yield f"{place}: {word!r} is a name or alias of {owner} already"
        for key, value in (row.model_extra or {}).items():
            if key not in file.traits:
                yield f"{place}.{key}: unknown key" + did_you_mean(key, own | set(file.traits))
            elif type(value) is not type(file.traits[key]):
                yield f"{place}.{key}: must be {type(file.traits[key]).__name__} like its default in [traits]"


def _unknown_models(place: str, models: Iterable[str], names: set[str]) -> Iterator[str]:
    for model in models:
        if model not in names:
            yield f"{place}: no model {model!r}" + did_you_mean(model, names)


def _start_problems(place: str, starts: list[str]) -> Iterator[str]:
    for start in starts:
        if start != start.lower():
            yield f"{place}: {start!r} must be lower case"
        if any(other != start and start.startswith(other) for other in starts) or starts.count(start) > 1:
            yield f"{place}: {start!r} is covered by another one"


def _file_problems(file: ManifestFile) -> Iterator[str]:
    for number, row in enumerate(file.file, 1):
        place = f"file[{number}] ({row.name})"
        mark = next((mark for mark in (MAC_MARK, SERIAL_MARK) if mark in row.name), COMMON_MARK)
        rest = row.name.replace(mark, "", 1).replace(MODEL_MARK, "", int(mark == MAC_MARK))
        if "{" in rest or "}" in rest:
            yield f"{place}.name: one {MAC_MARK}, one {SERIAL_MARK} or one {COMMON_MARK}, no other braces"
        if row.elsewhere and row.kind != "device":
            yield f"{place}.elsewhere: only a device's own file can send it elsewhere"
        if row.kind == "absent":
            if row.template:
                yield f"{place}.template: an absent file has none"
            continue
        if not row.template:
            yield f"{place}.template: needed for kind {row.kind!r}"
        if (row.kind == "device") != (MAC_MARK in row.name):
            yield f"{place}.kind: {MAC_MARK} in the name and kind 'device' belong together"
        if (row.kind == "thing") != (SERIAL_MARK in row.name):
            yield f"{place}.kind: {SERIAL_MARK} in the name and kind 'thing' belong together"
        yield from _key_problems(place, row)
        if row.kind not in {"device", "thing"} and row.secrets:
            yield f"{place}.secrets: must be false, nobody can prove to be the owner of such a file"


def _key_problems(place: str, row: FileRow) -> Iterator[str]:
    if (row.encryption or row.brings_key) and row.kind != "device":
        yield f"{place}.encryption: only a device's own file is encrypted, with that device's key"
    if row.encrypted_only and not row.encryption:
        yield f"{place}.encrypted_only: needs encryption"
    if row.hands_over and (row.kind != "device" or row.secrets):
        yield f"{place}.hands_over: is for a device's file without secrets"


def _dhcp_problems(file: ManifestFile, names: set[str]) -> Iterator[str]:
    advised: set[str] = set()
    for number, block in enumerate(file.dhcp, 1):
        place = f"dhcp[{number}]"
        yield from _unknown_models(f"{place}.models", block.models, names)
        for model in block.models or [""]:
            if model in advised:
                yield f"{place}.models: {model or 'the default'} has a block already"
            advised.add(model)
        for code in block.force:
            if str(code) not in block.options:
                yield f"{place}.force: there is no options.{code}"
        for text, option in block.options.items():
            at = f"{place}.options.{text}"
            if not text.isdecimal() or not 1 <= int(text) <= 254:
                yield f"{at}: an option code is a number from 1 to 254"
            yield from (f"{at}: {fault}" for fault in _option_faults(option))


def _option_faults(option: OptionRow) -> Iterator[str]:
    given = option.model_dump(exclude_none=True)
    if len(given) != 1:
        yield "exactly one of text, ip, hex, suboptions"
    for text in (option.text, *(option.suboptions or {}).values()):
        yield from _placeholder_faults(text or "")
    if option.text == "" or option.suboptions == {}:
        yield "is empty"
    for code in option.suboptions or {}:
        if not code.isdecimal() or not 1 <= int(code) <= 254:
            yield f"suboptions.{code}: a code is a number from 1 to 254"
    if option.ip is not None and option.ip != "{address}" and not _is_ip(option.ip):
        yield "ip is {address} or a dotted address"
    if option.hex is not None and not re.fullmatch(r"(?:[0-9a-fA-F]{2})+", option.hex):
        yield "hex is pairs of hexadecimal digits"


def _resync_problems(row: ResyncRow) -> Iterator[str]:
    if row.spread and not row.daily:
        yield "resync.spread: only what comes daily is late by something"
    action = row.action
    if action is None:
        return
    for path in action.paths:
        if action.paths.count(path) > 1:
            yield f"resync.action.paths: {path!r} is named twice"
            break
    if action.auth == "none" and action.password:
        yield "resync.action.password: of no use with auth 'none'"


def _pnp_problems(row: PnpRow) -> Iterator[str]:
    yield from (f"pnp.url: {fault}" for fault in _placeholder_faults(row.url))
    if not re.match(r"\{base\}|(?:https?|tftp)://", row.url):
        yield "pnp.url: begins with {base}, http://, https:// or tftp://"
    yield from (f"pnp.model: {fault}" for fault in faults(row.model))
    if "(?P<model>" not in row.model:
        yield "pnp.model: has no group model"
    lowered = [vendor.lower() for vendor in row.vendors]
    if len(set(lowered)) < len(lowered):
        yield "pnp.vendors: one of them is named twice"


def _writes_faults(row: WritesRow, fields: set[str]) -> Iterator[str]:
    for place, names in (("when", row.when), ("upto", [part for each in row.upto for part in each.split("+")])):
        for name in names:
            if name not in fields:
                yield f"{place}: {name!r} is neither a field nor a trait of a model" + did_you_mean(name, fields)
    if row.when and not (row.otherwise or row.values or row.upto or row.since):
        yield "otherwise: is needed, it is said of models that do not suit"
    if row.never and (row.when or row.otherwise or row.values or row.upto or row.since):
        yield "never: is said of every model, and stands alone"
    if row.otherwise and not row.when:
        yield "otherwise: is said of models that do not suit, and belongs to 'when'"
    for name in row.settings:
        if not covers(name):
            yield f"settings: there is no setting {name!r}" + did_you_mean(name, [*KNOWN, *NUMBERED])


def _placeholder_faults(text: str) -> Iterator[str]:
    for name in _PLACEHOLDER.findall(text):
        if name not in PLACEHOLDERS:
            yield f"unknown placeholder {{{name}}}" + did_you_mean(name, PLACEHOLDERS)


def _is_ip(text: str) -> bool:
    try:
        ip_int(text)
    except ValueError:
        return False
    return True


def _names(folder: Path, name: str) -> frozenset[str]:
    if not name:
        return frozenset()
    try:
        return frozenset((folder / name).read_text(encoding="ascii").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(folder / MANIFEST, [f"names: {name} cannot be read: {error}"]) from None


def _manifest(file: ManifestFile, names: frozenset[str]) -> Manifest:
    return Manifest(
        id=file.id,
        version=file.version,
        contract=file.contract,
        vendor=file.vendor,
        license=file.license,
        description=file.description,
        models=tuple(_model(row, file.traits) for row in file.model),
        showcase=tuple(file.showcase),
        star_codes=tuple(file.star_codes),
        matches=tuple(Match(row.source, tuple(row.starts), row.regex, row.confidence, row.model) for row in file.match),
        ouis=tuple(
            OuiRule(
                prefixes=tuple(re.sub("[:-]", "", prefix).lower() for prefix in row.prefixes),
                confidence=row.confidence,
                only_without_option60=row.only_without_option60,
                nameless=tuple(text.lower() for text in row.nameless),
                models=tuple(row.models),
            )
            for row in file.oui
        ),
        files=tuple(FileRule(**row.model_dump()) for row in file.file),
        dhcp=tuple(_advice(row) for row in file.dhcp),
        resync=None if file.resync is None else _resync(file.resync),
        limits=file.limits,
        pnp=None if file.pnp is None else _pnp(file.pnp),
        writes=tuple(_writes(row) for row in file.writes),
        version_from=file.version_from,
        names=names,
        steps=steps_of(file.step),
    )


def _writes(row: WritesRow) -> Writes:
    when = {name: tuple(value) if isinstance(value, list) else value for name, value in row.when.items()}
    return Writes(tuple(row.settings), when, row.otherwise, tuple(row.values), tuple(row.upto), row.never, row.since)


def _model(row: ModelRow, defaults: Mapping[str, str | int | bool]) -> Model:
    return Model(
        name=row.name,
        aliases=tuple(row.aliases),
        lines=row.lines,
        keys=row.keys,
        common=(row.common,) if isinstance(row.common, str) else tuple(row.common),
        ports=row.ports,
        traits={**defaults, **(row.model_extra or {})},
    )


def _advice(row: DhcpRow) -> DhcpAdvice:
    return DhcpAdvice(
        options={int(code): _option(option) for code, option in row.options.items()},
        models=tuple(row.models),
        force=tuple(row.force),
    )


def _resync(row: ResyncRow) -> ResyncAdvice:
    action = None
    if row.action is not None:
        fields = row.action.model_dump()
        action = ActionUri(**{**fields, "paths": tuple(fields["paths"])})
    return ResyncAdvice(
        event=row.event,
        event_claimed=row.event_claimed,
        body=tuple(row.body),
        reboots=row.reboots,
        daily=row.daily,
        spread=row.spread,
        step=row.step,
        action=action,
    )


def _pnp(row: PnpRow) -> PnpAdvice:
    vendors = tuple(vendor.lower() for vendor in row.vendors)
    return PnpAdvice(vendors, row.url, row.model, row.confidence)


def _option(option: OptionRow) -> OptionValue:
    if option.suboptions is not None:
        return OptionValue("suboptions", suboptions={int(code): text for code, text in option.suboptions.items()})
    if option.ip is not None:
        return OptionValue("ip", option.ip)
    if option.hex is not None:
        return OptionValue("hex", option.hex)
    return OptionValue("text", option.text or "")
