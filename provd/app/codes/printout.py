"""Codes on paper: a page with a card for each line that prints well on A4, or CSV for somebody's own letter.

The page is one file without anything from elsewhere: no script, no font, no picture that is fetched.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from html import escape

from provd.app.cells import quoted
from provd.base.dataclass import dataclass
from provd.domain.codes import grouped
from provd.domain.records import Code, Line

COLUMNS = ("line", "name", "number", "code", "uses", "expires")
NO_QR = "no QR codes: they need the package segno (install provd[qr])"

_STYLE = """
@page { size: A4; margin: 12mm }
body { font: 11pt/1.35 sans-serif; margin: 0; color: #000; background: #fff }
h1 { font-size: 14pt; margin: 0 0 6mm }
.cards { display: grid; grid-template-columns: 1fr 1fr; gap: 6mm }
.card { border: 1px solid #000; border-radius: 2mm; padding: 5mm; break-inside: avoid; overflow: hidden }
.card h2 { font-size: 13pt; margin: 0; overflow-wrap: anywhere }
.number { margin: 0 0 3mm }
.code { font: bold 20pt/1.2 monospace; margin: 0 0 2mm; white-space: nowrap }
.qr { float: right; margin: 0 0 2mm 4mm }
.how { font-size: 9pt; margin: 0 }
footer { margin-top: 6mm; font-size: 9pt }
"""


@dataclass(frozen=True, slots=True)
class Card:
    """A code and the line it is for."""

    code: Code
    line: Line

    @property
    def name(self) -> str:
        """Whose it is, as people say it."""
        return self.line.display_name or self.line.username


def qr_maker() -> Callable[[str], str] | None:
    """A function from a text to an SVG element with its QR code (ISO/IEC 18004); None where segno is missing."""
    try:
        import segno  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        return None

    def qr(text: str) -> str:
        return str(segno.make(text, error="m", micro=False).svg_inline(scale=3, border=2))

    return qr


def page(title: str, cards: Sequence[Card], qr: Callable[[str], str] | None, expires: Callable[[Code], float]) -> str:
    """The page as HTML. ``expires`` says when a code ends, 0 for never."""
    body = "\n".join(_card(card, qr, expires(card.code)) for card in cards)
    note = "" if qr else f"<footer>{escape(NO_QR)}</footer>\n"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n"
        f'<body><h1>{escape(title)}</h1>\n<div class="cards">\n{body}\n</div>\n{note}</body></html>\n'
    )


def _card(card: Card, qr: Callable[[str], str] | None, end: float) -> str:
    number = card.code.code.reveal()
    picture = "" if qr is None else f'<div class="qr">{qr(number)}</div>'
    uses = "one phone" if card.code.uses == 1 else f"{card.code.uses} phones"
    until = f"until {_local(end)}" if end else "without an end"
    return (
        f'<section class="card">{picture}<h2>{escape(card.name)}</h2>'
        f'<p class="number">{escape(card.line.number or card.line.username)}</p>'
        f'<p class="code">{escape(grouped(number))}</p>'
        '<p class="how">On the new phone: lift the handset, dial this code, then press the send key or wait a few '
        f"seconds. The phone confirms and restarts as yours.<br>For {uses}, {until}.</p></section>"
    )


def _local(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M %Z")


def table(cards: Iterable[Card], expires: Callable[[Code], float]) -> str:
    """The same as CSV; a code keeps its leading zeros where the reader takes it as text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for card in cards:
        end = expires(card.code)
        texts = (card.line.id, card.name, card.line.number, card.code.code.reveal())
        writer.writerow([*(quoted(text) for text in texts), card.code.uses, _local(end) if end else ""])
    return out.getvalue()
