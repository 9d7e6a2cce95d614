"""What a template asks for: a rendering in which each entry that is looked at is taken down.

A rendering is a function of what it looks at. Two contexts that differ only in entries that nobody looked at give the
same file, which need not be rendered a second time to know it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from provd.plugins.render_engine import FINALIZE, Environments, SandboxEnvironment, prepared

Path = tuple[object, ...]
"""Where an entry lies in a context."""
ANY = object()
"""In place of the last name: all entries there were looked through, or counted."""


class Watched(Mapping[object, object]):
    """A mapping, the mappings within it too, of which every look is taken down."""

    __slots__ = ("_asked", "_entries", "_path")

    def __init__(self, entries: Mapping[object, object], path: Path, asked: set[Path]) -> None:
        self._entries = entries
        self._path = path
        self._asked = asked

    def __getitem__(self, name: object) -> object:
        self._asked.add((*self._path, name))
        return watched(self._entries[name], (*self._path, name), self._asked)

    def __iter__(self) -> Iterator[object]:
        self._asked.add((*self._path, ANY))
        return iter(self._entries)

    def __len__(self) -> int:
        self._asked.add((*self._path, ANY))
        return len(self._entries)


def watched(value: object, path: Path, asked: set[Path]) -> object:
    return Watched(value, path, asked) if isinstance(value, dict) else value


class WatchEnvironment(SandboxEnvironment):
    """The sandbox, which knows such mappings for mappings."""

    def getattr(self, obj: object, attribute: str) -> object:
        if type(obj) is Watched and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def _environment(folders: Sequence[str], file_format: str, overlay: Mapping[str, str]) -> WatchEnvironment:
    return prepared(WatchEnvironment, folders, file_format, overlay, FINALIZE[file_format])


_ENVIRONMENTS = Environments(_environment)


def rendered(
    folder: str, template: str, file_format: str, context: Mapping[str, object], watch: Sequence[str]
) -> tuple[bytes, set[Path]]:
    """The file, and what was looked at in these entries of the context."""
    asked: set[Path] = set()
    values = {**context, **{name: watched(context[name], (name,), asked) for name in watch}}
    environment = _ENVIRONMENTS.get([folder], file_format, {})
    return "".join(environment.get_template(template).generate(values)).encode(), asked


def differences(one: Mapping[object, object], other: Mapping[object, object], path: Path = ()) -> Iterator[Path]:
    """Where two contexts differ."""
    for name in {**one, **other}:
        left, right = one.get(name, ANY), other.get(name, ANY)
        if isinstance(left, dict) and isinstance(right, dict):
            yield from differences(left, right, (*path, name))
        # False is not 0 in a file, though it is for Python.
        elif repr(left) != repr(right):
            yield (*path, name)


def concerns(asked: set[Path], changed: Sequence[Path]) -> bool:
    """Whether something was looked at that differs. Entries that no mapping holds are anybody's to look at."""
    return any(len(path) == 1 or path in asked or (*path[:-1], ANY) in asked for path in changed)
