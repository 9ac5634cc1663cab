"""The error tree that crosses the wire, and its form as XML-RPC faults.

    CloudnetError              code, text
    ├── BadRequest 400         ├── TooLarge 413
    ├── Unauthenticated 401    ├── Forbidden 403      ├── NotFound 404
    ├── Conflict 409           ├── Gone 410           ├── Busy 429 (retry_after_s)
    ├── Internal 500 (incident)├── PeerAway 503       ├── TimedOut 504
    └── ProtocolError          the caller speaks no proper XML-RPC
        ├── ParseFault -32700  ├── InvalidCall -32600
        └── NoSuchMethod -32601└── BadParameters -32602

Codes are the contract's (interfaces, section 1) and those of the XML-RPC "Specification for Fault
Code Interoperability". A fault has no fields but code and text, so what an error carries besides
stands at the end of its text in a fixed form, and is read back from there.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import ClassVar
from xmlrpc.client import Fault


class CloudnetError(Exception):
    """What a caller may be told.

    Attributes:
        code: the XML-RPC fault code, the same for all of a class.
        text: for people; no class names, no stack traces.
    """

    code: ClassVar[int] = 500

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)

    @property
    def fault_text(self) -> str:
        """The text as it travels, with what the error carries besides."""
        return self.text

    def __str__(self) -> str:
        return self.fault_text

    @classmethod
    def from_text(cls, text: str) -> CloudnetError:
        """The error that travelled as `text`."""
        return cls(text)


class BadRequest(CloudnetError):
    """The document or the arguments are invalid; where it's a document, with line and column.

    Attributes:
        about: what of the arguments this end can't ever bring about, well-formed as it is: a path
            such as `web-db.bandwidth`. Shells say so; '' where it is left open.
    """

    code = 400
    _form = re.compile(r"(?s)(.*) \(about ([A-Za-z0-9_.-]+)\)")

    def __init__(self, text: str, about: str = "") -> None:
        super().__init__(text)
        self.about = about

    @property
    def fault_text(self) -> str:
        """`TEXT (about PATH)`, or the text alone."""
        return f"{self.text} (about {self.about})" if self.about else self.text

    @classmethod
    def from_text(cls, text: str) -> BadRequest:
        """Reads the path back, where there is one."""
        found = cls._form.fullmatch(text)
        return cls(found[1], found[2]) if found else cls(text)


class Unauthenticated(CloudnetError):
    """No certificate, or one that says nothing to us."""

    code = 401


class Forbidden(CloudnetError):
    """The caller is known and may not do this."""

    code = 403


class NotFound(CloudnetError):
    """No such id, or not the caller's."""

    code = 404


class Conflict(CloudnetError):
    """The wrong state for this, or somebody else was faster."""

    code = 409


class Gone(CloudnetError):
    """It has expired."""

    code = 410


class TooLarge(CloudnetError):
    """More than this end takes at once."""

    code = 413


class Busy(CloudnetError):
    """Over quota or too much to do.

    Attributes:
        retry_after_s: seconds after which another try makes sense.
    """

    code = 429
    _form = re.compile(r"(?s)(.*) \(retry after ([0-9]+(?:\.[0-9]+)?) s\)")

    def __init__(self, text: str, retry_after_s: float = 1.0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s

    @property
    def fault_text(self) -> str:
        """`TEXT (retry after N s)`."""
        return f"{self.text} (retry after {self.retry_after_s:.3f} s)"

    @classmethod
    def from_text(cls, text: str) -> Busy:
        """Reads the pause back; a peer that names none gets a second."""
        found = cls._form.fullmatch(text)
        return cls(found[1], float(found[2])) if found else cls(text)


class Internal(CloudnetError):
    """Our fault.

    Attributes:
        incident: what the caller quotes and the log has.
    """

    code = 500
    _form = re.compile(r"(?s)(.*) \(incident ([0-9a-zA-Z-]+)\)")

    def __init__(self, text: str = "internal error", incident: str = "") -> None:
        super().__init__(text)
        self.incident = incident or uuid.uuid4().hex[:12]

    @property
    def fault_text(self) -> str:
        """`TEXT (incident ID)`."""
        return f"{self.text} (incident {self.incident})"

    @classmethod
    def from_text(cls, text: str) -> Internal:
        """Reads the incident back; a peer that names none has `unknown`."""
        found = cls._form.fullmatch(text)
        return cls(found[1], found[2]) if found else cls(text, "unknown")


class PeerAway(CloudnetError):
    """A layer below can't be reached."""

    code = 503


class TimedOut(CloudnetError):
    """It took too long."""

    code = 504


class ProtocolError(CloudnetError):
    """The caller speaks no proper XML-RPC."""

    code = -32603


class ParseFault(ProtocolError):
    """No well-formed XML, or XML with a document type."""

    code = -32700


class InvalidCall(ProtocolError):
    """Well-formed, but no XML-RPC."""

    code = -32600


class NoSuchMethod(ProtocolError):
    """The service has no such method."""

    code = -32601


class BadParameters(ProtocolError):
    """Number or types of the arguments aren't those of the method's signature."""

    code = -32602


def _tree(root: type[CloudnetError]) -> Iterator[type[CloudnetError]]:
    for branch in root.__subclasses__():
        yield branch
        yield from _tree(branch)


_BY_CODE = {kind.code: kind for kind in _tree(CloudnetError)}


def to_fault(error: BaseException) -> Fault:
    """The XML-RPC fault for an error; of what isn't in the tree only that it happened."""
    if not isinstance(error, CloudnetError):
        error = Internal()
    return Fault(error.code, error.fault_text)


def from_fault(fault: Fault) -> CloudnetError:
    """The error a fault stands for; an unknown code is the peer's internal error."""
    kind = _BY_CODE.get(fault.faultCode)
    if kind is None:
        return Internal(f"fault {fault.faultCode}: {fault.faultString}", "unknown")
    return kind.from_text(fault.faultString)
