"""Who calls: the name in a certificate's SAN URI, never its fingerprint."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_URI = re.compile(r"cloudnet:([a-z]+):([A-Za-z0-9][A-Za-z0-9._@-]{0,62})")


class Kind(StrEnum):
    """What a caller is: a customer, a PIP or VNP, a role's operator; or who is called: a shell.

    A shell is a provider's agent or VLink controller. Its certificate commands nothing.
    """

    TENANT = "tenant"
    ROLE = "role"
    OPERATOR = "operator"
    SHELL = "shell"


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


Peer = Caller | Kind | None
"""Whom a caller means to reach: one, any of a kind, or whoever is there."""

CONTROLLER = "controller"
"""The name of a provider's VLink controller among its shells."""


def shell(name: str) -> Caller:
    """The shell of a substrate element, or the controller."""
    return Caller(Kind.SHELL, name)


def role(name: str) -> Caller:
    """The role of that name."""
    return Caller(Kind.ROLE, name)


def fits(found: Caller | None, expected: Peer) -> bool:
    """Whether the one who was found is the one who is meant."""
    match expected:
        case None:
            return True
        case Kind():
            return found is not None and found.kind is expected
        case _:
            return found == expected


LOCAL = Caller(Kind.OPERATOR, "local")
"""Who calls over plain HTTP, which is served on loopback alone."""
