"""The service: who may call what with which arguments, and the WSGI form of it."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from cloudnet_sdn.wire.codec import dump_call, load_answer
from cloudnet_sdn.wire.faults import (
    BadParameters,
    Busy,
    CloudnetError,
    Internal,
    NoSuchMethod,
    NotFound,
    ParseFault,
    TooLarge,
    Unauthenticated,
)
from cloudnet_sdn.wire.identity import LOCAL, Caller, Kind
from cloudnet_sdn.wire.rpc import MAX_CALLS, Method, Service, local, wsgi

ANNA = Caller(Kind.TENANT, "anna")


def ask(service: Service, method: str, *args: Any, caller: Caller | None = ANNA) -> Any:
    answer = load_answer(service.dispatch(dump_call(method, args), caller))
    if isinstance(answer, CloudnetError):
        raise answer
    return answer


def test_methods_learn_who_calls(service: Service) -> None:
    assert ask(service, "who.ami") == "cloudnet:tenant:anna"


def test_nobody_known_may_call_nothing_but_introspection(service: Service) -> None:
    with pytest.raises(Unauthenticated):
        ask(service, "who.ami", caller=None)
    assert "who.ami" in ask(service, "system.listMethods", caller=None)


def test_introspection_gives_real_signatures_and_help(service: Service) -> None:
    for name in ask(service, "system.listMethods"):
        (signature,) = ask(service, "system.methodSignature", name)
        assert signature
        assert ask(service, "system.methodHelp", name)
    assert ask(service, "system.methodSignature", "halve") == [["double", "double"]]
    assert ask(service, "system.getCapabilities")["faults_interop"]["specVersion"] == 20010516


@pytest.mark.parametrize("method", ["nix", "__init__", "echo.__class__", "", "system"])
def test_unknown_methods_are_no_such_method(service: Service, method: str) -> None:
    with pytest.raises(NoSuchMethod):
        ask(service, method)


def test_help_of_unknown_methods_is_no_such_method(service: Service) -> None:
    with pytest.raises(NoSuchMethod):
        ask(service, "system.methodHelp", "nix")


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("echo", ()),
        ("echo", ({}, {})),
        ("echo", ("text",)),
        ("echo", ([],)),
        ("halve", ("3",)),
        ("halve", (True,)),
        ("who.ami", (1,)),
    ],
)
def test_wrong_arguments_are_bad_parameters(service: Service, method: str, args: tuple) -> None:
    """-32602 names the method's form."""
    with pytest.raises(BadParameters, match=method):
        ask(service, method, *args)


def test_a_double_may_come_as_an_int(service: Service) -> None:
    """Scripting languages send `5` for `5.0`; the method sees a float."""
    assert ask(service, "halve", 5) == 2.5


def test_errors_of_the_tree_are_the_callers_faults(service: Service) -> None:
    with pytest.raises(Busy) as caught:
        ask(service, "busy")
    assert caught.value.retry_after_s == 2.5


def test_bugs_are_logged_under_the_id_that_the_caller_gets(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets neither text nor class of the exception, the log gets it whole."""
    with caplog.at_level(logging.ERROR), pytest.raises(Internal) as caught:
        ask(service, "broken")
    assert "secret" not in str(caught.value)
    assert "KeyError" not in str(caught.value)
    assert caught.value.incident in caplog.text
    assert "a secret" in caplog.text


def test_an_answer_that_cannot_be_sent_is_our_fault(caplog: pytest.LogCaptureFixture) -> None:
    """A method that answers nil or 2^40 gives fault 500, not a dead connection."""
    service = Service([Method("big", lambda _: {"memory": 2**40}, ("struct",), "Too big.")])
    with pytest.raises(Internal):
        ask(service, "big")
    assert "answer.memory" in caplog.text


def test_two_methods_of_one_name_are_refused() -> None:
    twice = [Method("a", lambda _: 1, ("int",), "A.")] * 2
    with pytest.raises(ValueError, match="twice"):
        Service(twice)


@pytest.mark.parametrize("signature", [(), ("nil",), ("int", "uuid")])
def test_signatures_are_of_xmlrpc_types(signature: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="signature"):
        Method("a", lambda _: 1, signature, "A.")


# -- system.multicall -----------------------------------------------------------------------


def entry(name: str, *params: Any) -> dict[str, Any]:
    return {"methodName": name, "params": list(params)}


def test_multicall_answers_each_call_for_itself(service: Service) -> None:
    answers = ask(
        service, "system.multicall", [entry("halve", 3), entry("nix"), entry("who.ami"), "what"]
    )
    assert answers[0] == [1.5]
    assert answers[1]["faultCode"] == NoSuchMethod.code
    assert answers[2] == ["cloudnet:tenant:anna"]
    assert answers[3]["faultCode"] == BadParameters.code


def test_multicall_is_no_way_around_authentication(service: Service) -> None:
    (answer,) = ask(service, "system.multicall", [entry("who.ami")], caller=None)
    assert answer["faultCode"] == Unauthenticated.code


def test_multicall_neither_recurses_nor_grows(service: Service) -> None:
    (answer,) = ask(service, "system.multicall", [entry("system.multicall", [])])
    assert answer["faultCode"] == BadParameters.code
    with pytest.raises(TooLarge):
        ask(service, "system.multicall", [entry("who.ami")] * (MAX_CALLS + 1))


# -- WSGI -----------------------------------------------------------------------------------


def post(service: Service, body: bytes = b"", **environ: Any) -> tuple[str, bytes]:
    """One request through the application; answers status and body."""
    said: list[str] = []
    full = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/RPC2",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "text/xml",
        "wsgi.input": io.BytesIO(body),
        "cloudnet.caller": ANNA,
        **environ,
    }
    full = {k: v for k, v in full.items() if v is not None}
    answer = b"".join(wsgi(service, max_bytes=1000)(full, lambda s, _headers: said.append(s)))
    return said[0], answer


def test_a_post_is_answered(service: Service) -> None:
    status, answer = post(service, dump_call("who.ami", []))
    assert status == "200 OK"
    assert load_answer(answer) == "cloudnet:tenant:anna"


def test_without_a_caller_in_the_environment_nobody_calls(service: Service) -> None:
    _, answer = post(service, dump_call("who.ami", []), **{"cloudnet.caller": None})
    assert isinstance(load_answer(answer), Unauthenticated)


def test_a_header_makes_nobody_a_caller(service: Service) -> None:
    """What a client can send starts with HTTP_ and is never taken for an identity."""
    forged = {"cloudnet.caller": None, "HTTP_CLOUDNET_CALLER": "cloudnet:operator:root"}
    _, answer = post(service, dump_call("who.ami", []), **forged)
    assert isinstance(load_answer(answer), Unauthenticated)


def test_noise_is_a_fault_with_status_200(service: Service) -> None:
    status, answer = post(service, b"noise")
    assert status == "200 OK"
    assert isinstance(load_answer(answer), ParseFault)


def test_too_large_a_body_is_fault_413(service: Service) -> None:
    status, answer = post(service, b"x" * 1001)
    assert status == "200 OK"
    assert isinstance(load_answer(answer), TooLarge)


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"PATH_INFO": "/"}, "404"),
        ({"PATH_INFO": "/RPC2/../x"}, "404"),
        ({"REQUEST_METHOD": "GET"}, "405"),
        ({"REQUEST_METHOD": "OPTIONS"}, "405"),
        ({"CONTENT_LENGTH": None}, "411"),
        ({"CONTENT_LENGTH": "-1"}, "411"),
        ({"CONTENT_LENGTH": "1e3"}, "411"),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, "411"),
        ({"HTTP_CONTENT_ENCODING": "gzip"}, "415"),
        ({"HTTP_ORIGIN": "https://evil.example"}, "403"),
        ({"CONTENT_LENGTH": "500"}, "400"),
    ],
)
def test_what_is_no_xmlrpc_request_gets_a_status(
    service: Service, environ: dict, status: str
) -> None:
    """Also bodies of unsaid length, compressed ones and those that a web page sends."""
    said, _ = post(service, dump_call("who.ami", []), **environ)
    assert said.startswith(status)


def test_local_callers_are_the_local_operator(service: Service) -> None:
    body = dump_call("who.ami", [])
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/RPC2",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    (answer,) = local(wsgi(service))(environ, lambda *_: None)
    assert load_answer(answer) == LOCAL.uri


def test_not_found_is_not_no_such_method(service: Service) -> None:
    """An unknown id and an unknown method are told apart."""

    def show(_caller: Caller | None, _id: str) -> str:
        raise NotFound("no such CloudNet")

    with pytest.raises(NotFound):
        ask(Service([Method("show", show, ("string", "string"), "Shows.")]), "show", "x")
