"""The codes there are: found by digest, made so that nothing can be mistaken for another."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence

from provd.app.tables import Tables
from provd.base.secrets import Secret
from provd.domain.codes import Form, Taken, draw
from provd.domain.records import Code, Line
from provd.plugin import Manifest


class CodeBook:
    """Knows codes by an HMAC (RFC 2104) under a key that is not in the database: who has the database has no code."""

    def __init__(self, tables: Tables, key: bytes) -> None:
        self._tables = tables
        self._key = key

    def digest(self, code: str) -> str:
        """What a code is found by: 64 hex digits."""
        return hmac.digest(self._key, code.encode("utf-8", "surrogatepass"), "sha256").hex()

    def find(self, digits: str) -> Code | None:
        """The code, good or not. Takes the same time whatever is dialed."""
        return self._tables.code_of(self.digest(digits))

    def taken(self, reserved: Iterable[str]) -> Taken:
        """Every number that a new code must stay clear of; ``reserved`` besides the codes that there are."""
        return Taken([*reserved, *(code.code.reveal() for code in self._tables.codes.values())])

    def issue(
        self,
        lines: Sequence[Line],
        form: Form,
        reserved: Iterable[str],
        *,
        uses: int,
        expires: float,
        now: float,
        by: str,
    ) -> list[Code]:
        """A new code for each of these lines, to be put. Raises ConflictError when no number is free."""
        taken = self.taken(reserved)
        made: list[Code] = []
        names: set[str] = set()
        for line in lines:
            number = draw(form, taken)
            taken.add(number)
            made.append(
                Code(
                    id=self._name(names),
                    digest=self.digest(number),
                    code=Secret(number),
                    line=line.id,
                    tenant=line.tenant,
                    uses=uses,
                    expires=expires,
                    created=now,
                    by=by,
                )
            )
        return made

    def _name(self, given: set[str]) -> str:
        while (name := secrets.token_hex(4)) in given or self._tables.code(name) is not None:
            continue
        given.add(name)
        return name


def star_codes(manifests: Iterable[Manifest]) -> Mapping[str, tuple[str, ...]]:
    """What the phones of each plugin keep for themselves, by plugin."""
    return {manifest.id: manifest.star_codes for manifest in manifests if manifest.star_codes}
