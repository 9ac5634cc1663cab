"""The agent's composition root: reads the configuration, wires the parts, serves them.

`main` is what `python -m hostagent` and `cloudnet agent serve` run.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path

from cloudnet_sdn.wire.configuration import ConfigurationError, plain
from cloudnet_sdn.wire.faults import CloudnetError, PeerAway
from cloudnet_sdn.wire.identity import Caller, Kind
from cloudnet_sdn.wire.rpc import Service
from cloudnet_sdn.wire.server import Server
from hostagent import config as configuration
from hostagent.bridge import Bridge
from hostagent.command import CommandFailedError
from hostagent.config import BridgeConfig, Config
from hostagent.console import Consoles
from hostagent.drivers import Host, driver, factories
from hostagent.methods import Methods
from hostagent.names import Names
from hostagent.ports import NoPlugboard, Plugboard
from hostagent.records import Records
from hostagent.spec import Key
from hostagent.tunnels import Tunnels
from hostagent.vnodes import VNodes, this_boot

log = logging.getLogger(__name__)

_MEND_S = 5.0


class Agent:
    """One host's agent.

    Attributes:
        config: what it was made from.
    """

    def __init__(self, config: Config) -> None:
        """Wire the parts; nothing is served or changed before `start`.

        Raises:
            ConfigurationError: it names what isn't there.
        """
        self.config = config
        provider = Caller(Kind.ROLE, config.provider)
        self._bridge: Bridge | None = None
        self._vnodes: VNodes | None = None
        self._consoles: Consoles | None = None
        self._stopping = threading.Event()
        self._trouble = ""
        try:
            if config.bridge is not None:
                self._bridge = _bridge(config, config.bridge)
                self._vnodes = _vnodes(config, config.bridge, self._bridge)
                self._consoles = Consoles(
                    config.console.listen,
                    config.tls,
                    allowed=provider,
                    public=config.console.public,
                    shell=self._vnodes.shell,
                )
            self._tunnels = Tunnels(config.tunnel, config.state)
            methods = Methods(
                name=config.name,
                provider=provider,
                drivers=sorted(factories()) if self._vnodes else [],
                vnodes=self._vnodes,
                consoles=self._consoles,
                tunnels=self._tunnels,
                tunnel_names=[one.name for one in config.tunnel],
            )
            listen = config.listen
            self._server = Server(Service(methods.table()), listen.host, listen.port, config.tls)
        except OSError as exc:
            raise ConfigurationError(f"{exc.filename or config.state}: {plain(exc)}") from exc
        except ValueError as exc:
            raise ConfigurationError(str(exc)) from exc

    @property
    def url(self) -> str:
        """Where it is served."""
        return self._server.url

    def start(self) -> None:
        """Take up what there is, then serve; returns once it listens.

        Raises:
            OSError: an address can't be had.
        """
        self._tunnels.start()
        if self._vnodes is not None:
            left = self._mend(self._vnodes.journalled())
            threading.Thread(target=self._keep_mending, args=(left,), daemon=True).start()
        if self._consoles is not None:
            self._consoles.start()
        self._server.start()
        log.info("agent name=%s serves url=%s", self.config.name, self.url)

    def stop(self) -> None:
        """Serve no more. VNodes go on, they belong to customers; tunnels end."""
        self._stopping.set()
        self._server.stop()
        if self._consoles is not None:
            self._consoles.stop()
        self._tunnels.stop()
        if self._bridge is not None:
            self._bridge.close()

    def _mend(self, keys: list[Key]) -> list[Key]:
        """See to the bridge and to what is wanted of `keys`; answers what is to be tried again."""
        if self._vnodes is None or self._bridge is None:
            return []
        try:
            self._bridge.apply()
        except PeerAway as exc:
            self._tell(f"bridge={self._bridge.name}: {exc}")
            return keys
        self._tell("")
        return self._vnodes.adopt(keys)

    def _keep_mending(self, left: list[Key]) -> None:
        """Uplinks may be taken away and come back carrying everything: see to them for good."""
        while not self._stopping.wait(_MEND_S):
            left = self._mend(left)

    def _tell(self, trouble: str) -> None:
        """Log a trouble once."""
        if trouble and trouble != self._trouble:
            log.warning("%s", trouble)
        self._trouble = trouble


def purge(config: Config) -> None:
    """Remove every VNode and tunnel that an agent of this name left, and what it knew of them.

    Open vSwitch, the bridge, namespaces and certificates may be gone by now.
    """
    if config.bridge is not None:
        bridge = _bridge(config, config.bridge)
        board: Plugboard = bridge
        try:
            bridge.apply()
        except PeerAway as exc:
            log.info("bridge=%s: %s", config.bridge.name, exc)
            board = NoPlugboard()
        vnodes = _vnodes(config, config.bridge, board)
        for key in vnodes.all_keys():
            vnodes.delete(key)
        bridge.close()
    Tunnels(config.tunnel, config.state).purge()


def _bridge(config: Config, bridge: BridgeConfig) -> Bridge:
    return Bridge(bridge.name, config.name, bridge.uplinks, bridge.db)


def _vnodes(config: Config, bridge: BridgeConfig, board: Plugboard) -> VNodes:
    runs = driver(config.driver, Host(Names(config.name, bridge.name), board))
    records = Records(config.state / "vnodes")
    return VNodes(records, runs, uplinks=bridge.uplinks, boot=this_boot())


def main(config_path: Path, *, purging: bool = False) -> int:
    """Serve the host until SIGTERM or Ctrl-C, or only clean up after an agent; the exit code."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    try:
        config = configuration.load(config_path)
        if purging:
            purge(config)
            return 0
        found = configuration.obstacles(config)
        for one in found:
            log.error("%s: %s", config_path, one)
        if found:
            return 2
        agent = Agent(config)
        agent.start()
    except ConfigurationError as exc:
        for one in exc.problems:
            log.error("%s", one)  # noqa: TRY400 - the message says it all
        return 2
    except OSError as exc:
        log.error("can't serve: %s: %s", exc.filename or config_path, plain(exc))  # noqa: TRY400
        return 1
    except (CloudnetError, CommandFailedError) as exc:
        log.error("can't serve: %s", exc)  # noqa: TRY400
        return 1
    ending.wait()
    agent.stop()
    return 0
