"""Templates to files: Jinja2 in its immutable sandbox with a small, stated vocabulary and stable output.

The sandbox is the second wall; the first one is the process and its limits (:mod:`provd.plugins.renderd`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Generic, TypeVar

from jinja2 import (
    BaseLoader,
    Environment,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    Undefined,
)
from jinja2.environment import TemplateModule
from jinja2.filters import FILTERS
from jinja2.loaders import split_template_path
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from provd.base.errors import PluginError
from provd.plugins.render_values import PLAIN, UNGUARDED, Refused, finalizers, guarded, secrets_hidden
from provd.plugins.render_wire import MAX_OUTPUT, REMEMBERED
from provd.plugins.render_writer import Writer

FINALIZE = finalizers((Refused, Undefined))

# Nothing here looks at a clock, draws lots, walks attributes or turns escaping off.
REMOVED_FILTERS = frozenset(
    {"attr", "e", "escape", "filesizeformat", "forceescape", "groupby", "indent", "pprint", "random", "safe"}
    | {"striptags", "tojson", "urlize", "wordcount", "wordwrap", "xmlattr"}
)
HARMLESS: Mapping[type, frozenset[str]] = {
    str: frozenset(name for name in dir(str) if name[0] != "_") - {"format", "format_map"},
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
}
"""Methods that only read, and lead nowhere else."""
GLOBALS = frozenset({"dict", "namespace", "range"})
PLUGINS_OWN = "default/"
"""What an override writes in front of a template's name to have the plugin's own one: ``default/device.cfg.j2``."""
MOST_OVERLAID = 16
"""Sets of compiled templates with overrides in them that are kept."""


class LimitError(PluginError):
    """A template wanted more time, memory or output than it may have."""


class FolderLoader(BaseLoader):
    """Templates out of a row of folders, the first that has the name winning; never from outside them."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = tuple(Path(folder).resolve() for folder in folders)

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool] | None]:
        """The text, its file name, and no test for changes: a new epoch forgets everything."""
        del environment
        pieces = split_template_path(template)
        for folder in self._folders:
            path = folder.joinpath(*pieces)
            if not path.is_file():
                continue
            if not path.resolve().is_relative_to(folder):
                raise PluginError(f"template {template} leads out of its folder")
            text = path.read_bytes().decode("utf-8")
            if text.startswith("\ufeff"):
                raise PluginError(f"template {template} begins with a byte order mark")
            return text, str(path), None
        raise TemplateNotFound(template)


class OverlayLoader(FolderLoader):
    """Texts of the operator first, by name; ``default/`` in front of a name leads past them to the plugin's own."""

    def __init__(self, overlay: Mapping[str, str], folders: Sequence[str]) -> None:
        super().__init__(folders)
        self._overlay = overlay
        self._own = FolderLoader(folders[-1:])

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool] | None]:
        """The text, and its name in place of a file's."""
        if template.startswith(PLUGINS_OWN):
            return self._own.get_source(environment, template.removeprefix(PLUGINS_OWN))
        text = self._overlay.get(template)
        return super().get_source(environment, template) if text is None else (text, template, None)


class OwnModules(Template):
    """Made anew for each file that imports it. Jinja2 keeps what is imported without context, and with it what a
    macro has put into a namespace of the module: one device's values for the next one's file."""

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        try:
            return super()._get_default_module(ctx)
        finally:
            self._module = None


S = TypeVar("S", bound="SandboxEnvironment")


class SandboxEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox, in which ``model.keys`` is the entry of that name and not a method of all mappings."""

    code_generator_class = Writer
    template_class = OwnModules
    plain_texts = False
    """A text is written as it is: only other values go through ``finalize``."""

    def getattr(self, obj: object, attribute: str) -> object:
        """An entry of a mapping before its methods, which Jinja2 does the other way round."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        kind = type(obj)
        # What is known to be harmless is not examined each time: that takes as long as a line of a file.
        if attribute in HARMLESS.get(kind, ()) or (
            kind is Namespace and attribute[:1] != "_" and hasattr(obj, attribute)
        ):
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)


def prepared(
    kind: type[S],
    folders: Sequence[str],
    file_format: str,
    overlay: Mapping[str, str],
    finalize: Callable[..., object],
) -> S:
    """An environment of that kind with the vocabulary that templates may use."""
    environment = kind(
        loader=OverlayLoader(overlay, folders) if overlay else FolderLoader(folders),
        autoescape=file_format == "xml",
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.plain_texts = file_format in PLAIN
    environment.filters = {name: code for name, code in FILTERS.items() if name not in REMOVED_FILTERS}
    environment.globals = {name: environment.globals[name] for name in GLOBALS}
    return environment


def _place(traceback: TracebackType | None) -> str:
    """``template:line`` of the innermost template frame; Jinja2 rewrites tracebacks to template lines."""
    place = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename.endswith(".j2"):
            place = f"{Path(code.co_filename).name}:{traceback.tb_lineno}: "
        traceback = traceback.tb_next
    return place


def _reason(error: Exception, context: Mapping[str, object]) -> str:
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name}:{error.lineno}: {error.message}"
    if isinstance(error, TemplateNotFound):
        return f"there is no template {error.message}"
    kind = "" if isinstance(error, PluginError | TemplateError) else f"{type(error).__name__}: "
    return f"{_place(error.__traceback__)}{kind}{secrets_hidden(str(error), context)}"[:500]


class Environments(Generic[S]):
    """Environments of one kind by folder row, format and overlay, kept until :meth:`forget`."""

    def __init__(self, make: Callable[[Sequence[str], str, Mapping[str, str]], S]) -> None:
        self._make = make
        self._plain: dict[tuple[tuple[str, ...], str], S] = {}
        self._overlaid: dict[tuple[int, tuple[str, ...], str], tuple[Mapping[str, str], S]] = {}

    def forget(self) -> None:
        """Read the templates anew from now on."""
        self._plain.clear()
        self._overlaid.clear()

    def get(self, folders: Sequence[str], file_format: str, overlay: Mapping[str, str]) -> S:
        """The one for these templates."""
        key = (tuple(folders), file_format)
        if not overlay:
            environment = self._plain.get(key)
            if environment is None:
                environment = self._plain[key] = self._make(*key, overlay)
            return environment
        # By identity, and few: each holds all its templates once more, and there may be one for every device.
        place = (id(overlay), *key)
        known = self._overlaid.pop(place, None) or (overlay, self._make(*key, overlay))
        self._overlaid[place] = known
        if len(self._overlaid) > MOST_OVERLAID:
            del self._overlaid[next(iter(self._overlaid))]
        return known[1]


def _sandbox(folders: Sequence[str], file_format: str, overlay: Mapping[str, str]) -> SandboxEnvironment:
    return prepared(SandboxEnvironment, folders, file_format, overlay, FINALIZE[file_format])


class Engine:
    """Compiled templates by folder row and format, kept until :meth:`forget`."""

    def __init__(self) -> None:
        self._environments = Environments(_sandbox)
        self._guarded: dict[int, tuple[Mapping[str, object], Mapping[str, object]]] = {}

    def forget(self) -> None:
        """Read the templates anew from now on."""
        self._environments.forget()

    def compile(
        self, folders: Sequence[str], template: str, file_format: str, overlay: Mapping[str, str] | None = None
    ) -> None:
        """See whether the template can be compiled. Raises PluginError that names the line."""
        try:
            self._environments.get(folders, file_format, overlay or {}).get_template(template)
        except (MemoryError, RecursionError) as error:
            raise LimitError(f"{template}: {type(error).__name__}") from None
        except Exception as error:  # noqa: BLE001 - the compiler meets texts of anybody
            raise PluginError(_reason(error, {})) from None

    def render(
        self,
        folders: Sequence[str],
        template: str,
        file_format: str,
        context: Mapping[str, object],
        shared: Mapping[str, object] | None = None,
        *,
        clean: bool = False,
        overlay: Mapping[str, str] | None = None,
    ) -> bytes:
        """The file. Raises PluginError, and LimitError where a limit was the reason.

        ``shared`` is a part of the context that comes again and again as the same object. Templates cannot change it.
        ``clean``: no text of the rest holds anything but printable ASCII.
        """
        environment = self._environments.get(folders, file_format, overlay or {})
        values = context if clean or file_format in UNGUARDED else guarded(context)
        if shared:
            values = {**values, **(shared if file_format in UNGUARDED else self._guard(shared))}
            context = {**context, **shared}
        try:
            text = _collected(environment, template, values)
            body = text.encode("utf-8")
        except LimitError:
            raise
        except (MemoryError, RecursionError) as error:
            raise LimitError(f"{template}: {type(error).__name__}") from None
        except Exception as error:  # noqa: BLE001 - a template can raise anything, and all of it is translated
            raise PluginError(_reason(error, context)) from None
        return _checked(template, file_format, body)

    def _guard(self, shared: Mapping[str, object]) -> Mapping[str, object]:
        """The guarded form of a shared part, which is looked through once."""
        known = self._guarded.get(id(shared))
        if known is None:
            if len(self._guarded) >= REMEMBERED:
                self._guarded.clear()
            # The part itself is kept too, so that its id stays its own.
            known = self._guarded[id(shared)] = (shared, guarded(shared))
        return known[1]


def _collected(environment: Environment, template: str, values: Mapping[str, object]) -> str:
    parts: list[str] = []
    size = 0
    for part in environment.get_template(template).generate(values):
        size += len(part)
        if size > MAX_OUTPUT:
            raise LimitError(f"{template}: more than {MAX_OUTPUT} octets of output")
        parts.append(part)
    return "".join(parts)


def _checked(template: str, file_format: str, body: bytes) -> bytes:
    if len(body) > MAX_OUTPUT:
        raise LimitError(f"{template}: more than {MAX_OUTPUT} octets of output")
    if file_format not in UNGUARDED and (not body or body[:1].isspace()):
        # Phones compare the first octets of a file; a blank there comes from a block tag in the wrong place.
        raise PluginError(f"{template}: the file is empty or begins with a blank")
    return body
