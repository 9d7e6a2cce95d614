"""Whether an XML file of a package is what its devices can read, before one of them finds out."""

from __future__ import annotations

from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate, errors

from provd.base.errors import PluginError

LARGEST_XML = 1 << 20
"""Octets. A device has little memory; the largest dictionary that is known has a tenth of this."""


class _RootError(Exception):
    """The first element is another one."""


def check_xml(path: Path, root: str) -> None:
    """Raises PluginError when the file is no well-formed XML with that root element, or too large; OSError."""
    size = path.stat().st_size
    if size > LARGEST_XML:
        raise PluginError(f"{path.name} has {size >> 10} KiB, more than a device can take ({LARGEST_XML >> 10} KiB)")
    parser = ParserCreate()
    depth = 0

    def begins(name: str, _attributes: object) -> None:
        nonlocal depth
        if not depth and name != root:
            raise _RootError(name)
        depth += 1

    def declares(*_parts: object) -> None:
        raise PluginError(f"{path.name} declares a document type, which devices do not read")

    parser.StartElementHandler = begins
    parser.StartDoctypeDeclHandler = declares
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except _RootError as error:
        raise PluginError(
            f"{path.name} begins with <{str(error)[:40]}>, and should with <{root}>: it is another kind of file"
        ) from None
    except LookupError:
        raise PluginError(f"{path.name} is no well-formed XML: line 1: it names an unknown encoding") from None
    except ExpatError as error:
        raise PluginError(
            f"{path.name} is no well-formed XML: line {error.lineno}, column {error.offset + 1}:"
            f" {errors.messages.get(error.code, 'unreadable')}"
        ) from None
