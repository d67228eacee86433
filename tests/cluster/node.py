"""One node of Apache Kafka: its configuration and its process."""

import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LIBRARIES = ROOT / ".cache" / "kafka" / "libs-4.1.0"
USER, PASSWORD = "sluice", "qzx1/qzx2@qzx3:qzx4?qzx5#"
"""Name and password of the only user of the listener SASL_SSL."""

_LOGGING = """<Configuration>
<Appenders><Console name="out"><PatternLayout pattern="%d %p %m (%c)%n"/></Console></Appenders>
<Loggers><Root level="warn"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""

OFFSETS_PARTITIONS = 8
"""Number of partitions of the topic in which the brokers keep the state of groups."""

_PROPERTIES = """process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map={protocols}
listeners={listeners}
advertised.listeners={advertised}
log.dirs={directory}/data
default.replication.factor={replication}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replication}
offsets.topic.num.partitions={offsets_partitions}
transaction.state.log.replication.factor={replication}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=2
group.initial.rebalance.delay.ms=500
auto.create.topics.enable=false
auto.leader.rebalance.enable=false
broker.session.timeout.ms=6000
log.cleaner.dedupe.buffer.size=4194304
"""

_SECURITY = """ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


class Listener(StrEnum):
    """A listener of the nodes. TLS and SASL are there on secure ones only."""

    PLAINTEXT = "PLAINTEXT"
    CONTROLLER = "CONTROLLER"
    SSL = "SSL"
    SASL_SSL = "SASL_SSL"


@dataclass(frozen=True, slots=True)
class Stores:
    """Files of the key with its certificate, and of the authority that clients are checked with."""

    key: Path
    trust: Path


class Route(NamedTuple):
    """How a proxy leads to a node.

    Attributes:
        proxy: The proxy's port, which clients are told to connect to.
        node: The node's own port.
    """

    proxy: int
    node: int


class Node:
    """A broker that is a controller, too. Data and ports stay the same after `kill` and `start`."""

    def __init__(
        self, number: int, ports: dict[Listener, int], routes: dict[str, Route], directory: Path
    ) -> None:
        """Prepare the node without making or starting anything.

        Args:
            number: Its id in the cluster, from 1.
            ports: The port of each listener.
            routes: Further listeners without TLS, each behind a proxy.
            directory: Directory for its data, configuration and log.
        """
        self.number = number
        self.ports = ports
        self.routes = routes
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def _configuration(self) -> Path:
        return self.directory / "node.properties"

    @property
    def log(self) -> Path:
        """File of what the process writes."""
        return self.directory / "log"

    def configure(self, voters: str, replication: int, stores: Stores | None) -> None:
        """Write the node's configuration.

        Args:
            voters: All nodes as `id@host:port` of their controllers.
            replication: Replicas of each partition; all but one must be in sync, if there are more.
            stores: What TLS needs; None if the node offers none.
        """
        self.directory.mkdir(parents=True)
        own = {str(name): port for name, port in self.ports.items()}
        listening = own | {name: route.node for name, route in self.routes.items()}
        advertised = own | {name: route.proxy for name, route in self.routes.items()}
        del advertised[Listener.CONTROLLER]
        protocols = {name: name for name in Listener} | dict.fromkeys(
            (Listener.CONTROLLER, *self.routes), Listener.PLAINTEXT
        )
        text = _PROPERTIES.format(
            id=self.number,
            offsets_partitions=OFFSETS_PARTITIONS,
            voters=voters,
            protocols=",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
            listeners=_addresses(listening),
            advertised=_addresses(advertised),
            directory=self.directory,
            replication=replication,
            in_sync=max(replication - 1, 1),
        )
        if stores is not None:
            text += _SECURITY.format(keystore=stores.key, truststore=stores.trust)
        self._configuration.write_text(text)
        (self.directory / "logging.xml").write_text(_LOGGING)

    def format(self, cluster: str, group: int) -> subprocess.Popen[bytes]:
        """Begin to format the node's storage.

        Args:
            cluster: Id of the cluster.
            group: Process group to run in.
        """
        credentials = f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"
        scram = ["--add-scram", credentials] if Listener.SASL_SSL in self.ports else []
        return self._run(
            *("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._configuration)),
            *scram,
            group=group,
        )

    def start(self, group: int) -> None:
        """Start the node in a process group, without waiting until it answers."""
        assert self.process is None, f"node {self.number} runs already"
        self.process = self._run("kafka.Kafka", str(self._configuration), group=group)

    def kill(self) -> None:
        """Kill the node, as in a crash, and wait until it has exited."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def _run(self, *arguments: str, group: int) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [
                    *("java", "-Xmx384m", "-XX:+UseSerialGC"),
                    f"-Dlog4j2.configurationFile={self.directory}/logging.xml",
                    *("-cp", f"{LIBRARIES}/*", *arguments),
                ],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=group,
            )


def _addresses(ports: dict[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
