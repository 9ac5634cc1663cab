"""Starts the controller: Ryu 4.34 on a present-day Python and eventlet.

    python -m ryu_apps --listen 127.0.0.1:6653 --api http://127.0.0.1:8643 --store sqlite:///FILE
    python -m ryu_apps --config FILE

Runs in a process of its own: it patches the standard library, and must do so before anything
else is imported. Nothing of Ryu or eventlet is imported before `run`.
"""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ryu_apps.settings import Settings

APP = "ryu_apps.vlink_controller"
_EXIT_FAILED = 1
_EXIT_USAGE = 2
_CLOSE_S = 2.0
_ECHO_S = 5.0  # a switch that is silently gone is noticed after three of these


def patch() -> None:
    """Make the standard library green, and eventlet what Ryu 4.34 takes it for."""
    # Both warnings are for developers: eventlet's of its age, and one of Ryu's source.
    warnings.filterwarnings("ignore", message=r"(?s).*Eventlet is deprecated")
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    import eventlet

    eventlet.monkey_patch()
    import eventlet.wsgi

    if not hasattr(eventlet.wsgi, "ALREADY_HANDLED"):
        eventlet.wsgi.ALREADY_HANDLED = b""  # left out since 0.31; ryu.app.wsgi imports it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the controller as the command line says, until a signal; answers the exit code."""
    patch()
    from cloudnet_sdn.wire.configuration import ConfigurationError
    from ryu_apps.settings import obstacles, parse_arguments

    try:
        settings = parse_arguments(sys.argv[1:] if arguments is None else arguments)
        found = obstacles(settings)
    except ConfigurationError as exc:
        found = [*exc.problems]
    for line in found:
        print(f"cloudnet controller: {line}", file=sys.stderr)
    return _EXIT_USAGE if found else run(settings)


def run(settings: Settings) -> int:
    """Run the controller until SIGTERM or SIGINT; answers the exit code."""
    patch()
    _log_to_stderr()
    from ryu import cfg
    from ryu.base.app_manager import AppManager
    from ryu.lib import hub

    from cloudnet_sdn.wire.configuration import plain

    stop = hub.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    manager = AppManager.get_instance()
    manager.load_apps([APP, "ryu.controller.ofp_handler"])
    _configure(cfg.CONF, settings)
    try:
        _check_free(settings)
        manager.instantiate_apps(settings=settings, **manager.create_contexts())
    except sqlite3.Error as exc:
        print(f"cloudnet controller: store: {settings.store}: {exc}", file=sys.stderr)
        return _EXIT_USAGE
    except OSError as exc:
        print(f"cloudnet controller: {plain(exc)}", file=sys.stderr)
        return _EXIT_FAILED
    except ValueError as exc:
        print(f"cloudnet controller: {exc}", file=sys.stderr)
        return _EXIT_FAILED
    logging.getLogger(__name__).info(
        "ready listen=%s:%s api=%s:%s pid=%s",
        settings.listen.host,
        settings.listen.port,
        settings.api.host,
        settings.api.port,
        os.getpid(),
    )
    stop.wait()
    # Ryu joins every green thread, also those that wait for a switch which stays connected.
    with hub.Timeout(_CLOSE_S, False):
        manager.close()
    return 0


def _configure(conf: Any, settings: Settings) -> None:
    conf(args=[], project="ryu", default_config_files=[])
    conf.ofp_listen_host = settings.listen.host
    conf.ofp_tcp_listen_port = settings.listen.port
    conf.echo_request_interval = _ECHO_S
    conf.maximum_unreplied_echo_requests = 2


def _check_free(settings: Settings) -> None:
    """Ryu opens its listener in a green thread, where a failure is but logged: try it first."""
    import eventlet

    address = (settings.listen.host, settings.listen.port)
    eventlet.listen(address, reuse_port=False).close()


def _log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("ryu.base.app_manager").setLevel(logging.WARNING)
