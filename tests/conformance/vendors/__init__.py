"""What the tests know of each vendor whose phones get files: one module for each plugin, found by itself.

A new vendor is its folder below ``plugins/`` and a module here, of the plugin's name, with one ``VENDOR``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules

Pairs = list[tuple[str, str]]
Place = tuple[str, str, str]
"""A zone of the database, a language and a country."""

MADRID: Place = ("Europe/Madrid", "es", "ES")
PARIS: Place = ("Europe/Paris", "fr", "FR")
BERLIN: Place = ("Europe/Berlin", "de", "DE")
NEW_YORK: Place = ("America/New_York", "en", "US")
KABUL: Place = ("Asia/Kabul", "en", "AF")
SANTIAGO: Place = ("America/Santiago", "es", "CL")
NOWHERE: Place = ("", "en", "")
KOLKATA: Place = ("Asia/Kolkata", "en", "IN")
DUBLIN: Place = ("Europe/Dublin", "en", "GB")

MARK = "placeholder"
"""Stands in a file where a random text is to come."""


def as_it_is(_name: str, marked: str, text: str) -> str:
    return marked.replace(MARK, text)


@dataclass(frozen=True)
class Kind:
    """A model of the manifest, which has its lines, keys and traits, with one firmware (empty: not known)."""

    model: str
    firmware: str
    place: Place
    mac: str
    file: str = ""
    """The name of the file that has its settings, where other models of the vendor have another one."""


@dataclass(frozen=True, kw_only=True)
class Vendor:
    parse: Callable[[bytes], Pairs]
    """What a phone makes of a file: a strict reader of the format, written without a look at the templates."""

    first: bytes
    """What a file begins with."""

    enabled: tuple[str, ...]
    """Parameters that say whether the first line is in use; the first of them that a file has is looked at."""

    private: tuple[str, ...]
    """Parts of names of secrets and accounts, in small letters: no common file and no way elsewhere has them."""

    phones: tuple[Kind, ...]
    """Have a golden file of each case."""

    generations: tuple[Kind, ...] = ()
    """Have a golden file with lines: one phone of each generation of firmware that ``phones`` does not have."""

    full: tuple[str, ...] = ()
    """Models of ``phones`` that have a golden file with everything set that can be set."""

    clock: str = ""
    """The model of ``phones`` whose display is compared with the zones; empty if the vendor has no ``time.zone``."""

    clock_part: str = ""
    """A template of the time alone. With it every zone is tried, else every fourth: a whole file takes longer."""

    replaces: bool = False
    """A file puts itself in place of all that was there, so it leaves out what it does not set."""

    orders: tuple[str, ...] = ()
    """Parameters that are there only where they are said: orders, and parts of a list that each file has in whole."""

    places: bool = False
    """Zones are places of a list that it brings: at others its clock is wrong for months, which then is said."""

    repeated: tuple[str, ...] = ()
    """Parameters that add up when they are said again; all others occur once in a file."""

    unset: tuple[str, ...] = ("",)
    """Values by which a parameter is not there."""

    texts: tuple[str, ...] = ()
    """Models of ``phones`` that are tried with random texts."""

    odd: str = ""
    """A parameter of the vendor's own that takes any text, whose blanks are written ``_``."""

    grammar: tuple[str, ...] = ()
    """Settings of URLs in which characters mean something to the phone; not tried with random texts."""

    folders: tuple[str, ...] = ("firmware.url",)
    """Settings of URLs of which the phone may be told the folder only: it ends at the last slash."""

    meant: Callable[[str, str, str], str] = as_it_is
    """What a parameter has to be with a text: of its name, its value with ``MARK`` for the text, and the text."""

    free: dict[str, str] = field(default_factory=dict)
    """Settings of the vendor's own that no setting of ours is about, with a value that begins with ``old-``."""

    patience: int = 1
    """How many times longer than most such a phone waits before it looks again."""

    minutes: int = 120
    """A time for ``resync.minutes`` that such phones can be told."""

    never_again: tuple[str, ...] = ()
    """Models of ``phones`` that nobody can tell how often to ask."""

    option: str = ""
    """What the URL that DHCP gives has to name beside the folder."""

    sheets: tuple[str, ...] = ()
    """Names of further files of a device, which have what does not stand in its first."""

    names_calls: bool = True
    """Its accounts have the name that the called person sees."""

    web: bool = False
    """Its own web server can be asked to make it fetch its file."""

    listed: bool = False
    """``names.txt`` has every name that a file may have."""

    pattern: Callable[[str], str] = str
    """A name with its numbers taken out, as ``names.txt`` lists it."""


def found() -> Iterator[tuple[str, Vendor]]:
    for name in sorted(module.name for module in iter_modules(__path__)):
        yield name, import_module(f"{__name__}.{name}").VENDOR


VENDORS: dict[str, Vendor] = dict(found())
"""By plugin."""
