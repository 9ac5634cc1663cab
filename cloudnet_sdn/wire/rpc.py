"""The XML-RPC service: a table of methods, who may call them, and what comes of it.

No threads and no sockets here: `Service.dispatch` maps bytes to bytes, `wsgi` wraps it for any
WSGI server (cheroot for the roles and agents, eventlet for the controller).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from xml.sax.saxutils import escape
from xmlrpc.client import Fault

from cloudnet_sdn.wire.codec import MAX_ELEMENTS, dump_answer, dump_fault, load_call
from cloudnet_sdn.wire.faults import (
    BadParameters,
    BadRequest,
    Busy,
    CloudnetError,
    Forbidden,
    Internal,
    NoSuchMethod,
    TooLarge,
    Unauthenticated,
    to_fault,
)
from cloudnet_sdn.wire.identity import LOCAL, Caller, Kind
from cloudnet_sdn.wire.shares import Shares

log = logging.getLogger(__name__)

MAX_BYTES = 20 * 1024 * 1024
STRANGER_BYTES = 4096
"""Of a body without a certificate: enough to ask for the introspection."""

SMALL_BYTES = 64 * 1024
"""Bodies up to that are not counted against anybody's share of memory."""

MAX_CALLS = 100
"""Calls in one `system.multicall`."""

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "int": int,
    "double": (float, int),
    "boolean": bool,
    "string": str,
    "struct": dict,
    "array": list,
    "base64": bytes,
}


@dataclass(frozen=True)
class Method:
    """One method of a service.

    Attributes:
        name: with its dots, as called.
        call: invoked as `call(caller, *args)`; raises the tree of `faults`.
        signature: the result's type first, then the arguments'; XML-RPC type names out of int,
            double, boolean, string, struct, array, base64. A double takes an int too.
        help: what it does, for `system.methodHelp`.
        public: may be called without a certificate; `caller` is then None.
        optional: how many of the last arguments may be left out.
    """

    name: str
    call: Callable[..., Any]
    signature: tuple[str, ...]
    help: str
    public: bool = False
    optional: int = 0

    def __post_init__(self) -> None:
        unknown = [t for t in self.signature if t not in _TYPES]
        if unknown or not self.signature:
            raise ValueError(f"{self.name}: {unknown or 'no result'} in the signature")


class Dispatcher(Protocol):
    """What `wsgi` serves."""

    def dispatch(self, body: bytes, caller: Caller | None) -> bytes:
        """Answer a request's body; never raises."""


class Service:
    """A table of methods behind one URL, with introspection.

    Args:
        methods: all of them.
        most: XML elements that a call may have.

    Raises:
        ValueError: two methods of one name.
    """

    def __init__(self, methods: Iterable[Method], *, most: int = MAX_ELEMENTS) -> None:
        self._most = most
        self._methods: dict[str, Method] = {}
        for method in (*methods, *_introspection(self)):
            if method.name in self._methods:
                raise ValueError(f"{method.name} is there twice")
            self._methods[method.name] = method

    @property
    def methods(self) -> Mapping[str, Method]:
        """All of them by name, introspection included."""
        return self._methods

    def dispatch(self, body: bytes, caller: Caller | None) -> bytes:
        """Answer a request's body for whoever the connection belongs to; never raises."""
        try:
            name, args = load_call(body, most=self._most)
            return dump_answer(self.invoke(name, args, caller))
        except Exception as exc:
            return dump_fault(fault_of(exc, caller))

    def invoke(self, name: str, args: list[Any], caller: Caller | None) -> Any:
        """Call a method by name with what it may be called with.

        Raises:
            NoSuchMethod: there is none.
            Unauthenticated: it isn't public and nobody known calls.
            Forbidden: it isn't public and a shell calls.
            BadParameters: not what its signature says.
        """
        method = self._methods.get(name)
        if method is None:
            raise NoSuchMethod(f"no method {name[:100]!r}; system.listMethods lists them")
        if not method.public:
            _check_caller(caller)
        _check(method, args)
        kinds = method.signature[1 : len(args) + 1]
        return method.call(
            caller, *(float(a) if k == "double" else a for k, a in zip(kinds, args, strict=True))
        )


def fault_of(exc: Exception, caller: Caller | None) -> Fault:
    """The fault for what a method raised; what nobody foresaw goes to the log under its id."""
    if not isinstance(exc, CloudnetError):
        exc, cause = Internal(), exc
        log.error(
            "internal error incident=%s caller=%s", exc.incident, caller or "-", exc_info=cause
        )
    return to_fault(exc)


def _has_nul(value: Any) -> bool:
    """Whether a character is in a text that XML can't have, nor every database."""
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(_has_nul(v) for pair in value.items() for v in pair)
        case list():
            return any(map(_has_nul, value))
        case _:
            return False


def _check_caller(caller: Caller | None) -> None:
    if caller is None:
        raise Unauthenticated("no or unknown certificate")
    if caller.kind is Kind.SHELL:
        raise Forbidden("a shell's certificate commands nothing")


def _check(method: Method, args: list[Any]) -> None:
    wanted = method.signature[1:]
    form = f"{method.name}({', '.join(wanted)})"
    if not len(wanted) - method.optional <= len(args) <= len(wanted):
        raise BadParameters(f"{form} was called with {len(args)} arguments")
    if _has_nul(args):
        raise BadRequest(f"{method.name}: there is a NUL character in a text")
    for number, (kind, arg) in enumerate(zip(wanted, args, strict=False), start=1):
        if not isinstance(arg, _TYPES[kind]) or (isinstance(arg, bool) and kind != "boolean"):
            raise BadParameters(f"{form}: argument {number} is no {kind}")


# -- system.* -----------------------------------------------------------------------------

_CAPABILITIES = {
    "xmlrpc": ("http://www.xmlrpc.com/spec", 1),
    "introspection": ("http://xmlrpc-c.sourceforge.net/xmlrpc-c/introspection.html", 1),
    "faults_interop": ("http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", 20010516),
    "system.multicall": ("http://www.xmlrpc.com/discuss/msgReader$1208", 1),
}


def _introspection(service: Service) -> tuple[Method, ...]:
    def known(name: str) -> Method:
        try:
            return service.methods[name]
        except KeyError:
            raise NoSuchMethod(f"no method {name[:100]!r}") from None

    def names(_caller: Caller | None) -> list[str]:
        return sorted(service.methods)

    def method_help(_caller: Caller | None, name: str) -> str:
        return known(name).help

    def method_signature(_caller: Caller | None, name: str) -> list[list[str]]:
        method = known(name)
        most = len(method.signature)
        return [list(method.signature[:n]) for n in range(most, most - method.optional - 1, -1)]

    def capabilities(_caller: Caller | None) -> dict[str, dict[str, Any]]:
        return {k: {"specUrl": u, "specVersion": v} for k, (u, v) in _CAPABILITIES.items()}

    def multicall(caller: Caller | None, calls: list[Any]) -> list[Any]:
        if len(calls) > MAX_CALLS:
            raise TooLarge(f"system.multicall takes at most {MAX_CALLS} calls")
        return [_one_of_many(service, call, caller) for call in calls]

    return (
        Method("system.listMethods", names, ("array",), "The names of all methods.", public=True),
        Method(
            "system.methodHelp",
            method_help,
            ("string", "string"),
            "What the method of that name does.",
            public=True,
        ),
        Method(
            "system.methodSignature",
            method_signature,
            ("array", "string"),
            "The signatures of the method of that name: the result's type, then the arguments'.",
            public=True,
        ),
        Method(
            "system.getCapabilities",
            capabilities,
            ("struct",),
            "The specifications this service follows, with their versions.",
            public=True,
        ),
        Method(
            "system.multicall",
            multicall,
            ("array", "array"),
            f"Up to {MAX_CALLS} calls, each {{methodName, params}}, one after the other; each is "
            "answered by an array with its result, or by a struct {faultCode, faultString}.",
            public=True,
        ),
    )


def _one_of_many(service: Service, call: Any, caller: Caller | None) -> Any:
    try:
        name, params = _inner(call)
        return [service.invoke(name, params, caller)]
    except Exception as exc:
        fault = fault_of(exc, caller)
        return {"faultCode": fault.faultCode, "faultString": fault.faultString}


def _inner(call: Any) -> tuple[str, list[Any]]:
    match call:
        case {"methodName": "system.multicall"}:
            raise BadParameters("system.multicall doesn't call itself")
        case {"methodName": str(name), "params": list(params)}:
            return name, params
        case _:
            raise BadParameters("a call is {methodName: string, params: array}")


# -- WSGI ---------------------------------------------------------------------------------

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]


class _Refused(Exception):
    """The request isn't even XML-RPC's HTTP: answered by a status."""

    def __init__(self, status: str, text: str, *headers: tuple[str, str]) -> None:
        self.status = status
        self.text = text
        self.headers = headers
        super().__init__(status)


class Bodies:
    """The memory that bodies take, from their first byte to their answer: callers share it."""

    def __init__(self, total: int, patience_s: float) -> None:
        """Prepare.

        Args:
            total: bytes.
            patience_s: how long a request waits for its memory.
        """
        self._shares = Shares(total)
        self._patience_s = patience_s

    @contextmanager
    def held(self, caller: Caller, length: int) -> Iterator[None]:
        """Have `length` bytes for a body of the caller's.

        Raises:
            Busy: there aren't as many for him.
        """
        if length <= SMALL_BYTES:
            yield
            return
        if not self._shares.take(caller, length, within_s=self._patience_s):
            raise Busy("too many large requests at a time", self._patience_s)
        try:
            yield
        finally:
            self._shares.give(caller, length)


def wsgi(service: Dispatcher, *, max_bytes: int = MAX_BYTES, bodies: Bodies | None = None) -> Wsgi:
    """Serve `service` as a WSGI application: `POST /RPC2`.

    The server in front puts the connection's `Caller` into `environ["cloudnet.caller"]` (absent or
    None: nobody known). Faults travel with status 200, as XML-RPC has it.

    Args:
        service: what answers.
        max_bytes: larger bodies are fault 413.
        bodies: the memory they may take; None where there is no limit.
    """
    memory = bodies or Bodies(sys.maxsize, 0.0)

    def answered(environ: Environ) -> bytes:
        caller, length = environ.get("cloudnet.caller"), _length(environ) or 0
        if caller is None:
            if length > min(STRANGER_BYTES, max_bytes):
                raise Unauthenticated("no or unknown certificate")
            return service.dispatch(_body(environ, length), None)
        if length > max_bytes:
            raise TooLarge(f"the request has {length} bytes; {max_bytes} are taken")
        with memory.held(caller, length):
            return service.dispatch(_body(environ, length), caller)

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        headers = [("Content-Type", "text/xml")]
        try:
            _fitting(environ)
            answer = answered(environ)
        except CloudnetError as exc:  # the body hasn't been read
            answer = dump_fault(to_fault(exc))
            headers.append(("Connection", "close"))
            _discard(environ, max_bytes)
        except _Refused as refusal:
            _discard(environ, max_bytes)
            return _refuse(refusal, start_response)
        start_response("200 OK", [*headers, ("Content-Length", str(len(answer)))])
        return [answer]

    return application


def local(application: Wsgi) -> Wsgi:
    """Let everybody call who reaches it as the local operator: for plain HTTP on loopback."""

    def as_operator(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return application({**environ, "cloudnet.caller": LOCAL}, start_response)

    return as_operator


def _length(environ: Environ) -> int | None:
    """The body's length as the client says it."""
    text = environ.get("CONTENT_LENGTH") or ""
    return int(text) if text.isascii() and text.isdecimal() else None


def _fitting(environ: Environ) -> None:
    """Whether the request is one for XML-RPC, by its headers."""
    if environ.get("PATH_INFO", "") not in ("/RPC2", "/RPC2/"):
        raise _Refused("404 Not Found", "XML-RPC is at /RPC2")
    if environ["REQUEST_METHOD"] != "POST":
        raise _Refused("405 Method Not Allowed", "XML-RPC is POST", ("Allow", "POST"))
    if "HTTP_ORIGIN" in environ:
        # Only browsers send it: some page would be calling with its reader's certificate, or
        # through the reader's loopback.
        raise _Refused("403 Forbidden", "not for web pages")
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise _Refused("415 Unsupported Media Type", "bodies are taken as they are")
    if "HTTP_TRANSFER_ENCODING" in environ or _length(environ) is None:
        raise _Refused("411 Length Required", "say how long the body is")


def _body(environ: Environ, length: int) -> bytes:
    stream = environ["wsgi.input"]
    parts = []
    while length and (part := stream.read(length)):
        parts.append(part)
        length -= len(part)
    if length:
        raise _Refused("400 Bad Request", "the body is shorter than it should be")
    return b"".join(parts)


def _discard(environ: Environ, max_bytes: int) -> None:
    """Read on for a while: a client reads the answer only when it has written all."""
    stranger = environ.get("cloudnet.caller") is None
    length = min(_length(environ) or 0, SMALL_BYTES if stranger else 4 * max_bytes)
    stream = environ["wsgi.input"]
    while length > 0 and (part := stream.read(min(length, 65536))):
        length -= len(part)


def _refuse(refusal: _Refused, start_response: StartResponse) -> list[bytes]:
    page = f"{escape(refusal.text)}\n".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(page)))]
    start_response(refusal.status, [*headers, *refusal.headers])
    return [page]
