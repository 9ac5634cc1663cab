"""Who calls: the name in a certificate's SAN URI, never its fingerprint."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_URI = re.compile(r"cloudnet:([a-z]+):([A-Za-z0-9][A-Za-z0-9._@-]{0,62})")


class Kind(StrEnum):
    """What a caller is: a customer, a PIP or VNP (or a shell of one), or a role's operator."""

    TENANT = "tenant"
    ROLE = "role"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    Attributes:
        kind: which sort.
        name: letters, digits and `._@-`, at most 63; unique per kind within an authority.
    """

    kind: Kind
    name: str

    @property
    def uri(self) -> str:
        """`cloudnet:KIND:NAME`, as in the certificate."""
        return f"cloudnet:{self.kind}:{self.name}"

    @classmethod
    def parse(cls, uri: str) -> Caller:
        """Read `cloudnet:KIND:NAME`.

        Raises:
            ValueError: it isn't one.
        """
        found = _URI.fullmatch(uri)
        if not found or found[1] not in set(Kind):
            kinds = "|".join(Kind)
            raise ValueError(f"{uri!r} is no cloudnet:{kinds}:NAME")
        return cls(Kind(found[1]), found[2])

    def __str__(self) -> str:
        return self.uri


LOCAL = Caller(Kind.OPERATOR, "local")
"""Who calls over plain HTTP, which is served on loopback alone."""
