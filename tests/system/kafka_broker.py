# SPDX-License-Identifier: Apache-2.0
"""A Kafka broker (KRaft mode, one node) as a child process, and a consumer that reads back what it holds."""

import pathlib
import subprocess
import time

import services

JARS = pathlib.Path(__file__).parents[2] / "build-kafka"
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
READ_SECONDS = 60
USER, PASSWORD = "flowlog", "secret of the test"

# With `authority`, an authority.Authority: a listener with its server's certificate.
_TLS_PROPERTIES = """\
listener.name.ssl.ssl.keystore.type=PEM
listener.name.ssl.ssl.keystore.location={certificate}
"""

_JAVA = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*"]
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL
listeners=PLAINTEXT://127.0.0.1:{plain},PROXIED://127.0.0.1:{proxied},SASL_PLAINTEXT://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}{tls}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},PROXIED://127.0.0.1:{proxy},SASL_PLAINTEXT://127.0.0.1:{sasl}{tls}
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{user}="{password}";
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


class Broker:
    """Started; close() ends it and leaves its data, start() goes on with them. Who asks at `proxied_port` is told
    that the broker lives at `proxy_port`, where a test may put something between."""

    def __init__(self, folder, namespace=None, authority=None):
        assert (JARS / "made-from").exists(), "scripts/kafka has not fetched the broker"
        self.folder, self.namespace, self.server = pathlib.Path(folder), namespace, None
        self.port, self.sasl_port, self.tls_port = services.free_port(), services.free_port(), services.free_port()
        self.proxied_port, self.proxy_port = services.free_port(), services.free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.properties = self.folder / "server.properties"
        self.properties.write_text(
            _PROPERTIES.format(
                plain=self.port,
                proxied=self.proxied_port,
                proxy=self.proxy_port,
                sasl=self.sasl_port,
                controller=services.free_port(),
                user=USER,
                password=PASSWORD,
                folder=self.folder,
                tls=f",SSL://127.0.0.1:{self.tls_port}" if authority else "",
            )
            + (_TLS_PROPERTIES.format(certificate=authority.server) if authority else "")
        )
        format_storage = [*_JAVA, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self.properties)]
        subprocess.run(format_storage, check=True, capture_output=True, timeout=60)
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        command = [*_JAVA, "kafka.Kafka", str(self.properties)]
        self.server = services.Server(command, self.port, self.folder / "broker.log", namespace=self.namespace)

    def kill(self):
        self.server.process.kill()
        self.server.process.wait(10)

    def close(self):
        """By force: an orderly end takes longer, and what the broker holds goes with the test."""
        if self.server and self.server.process.poll() is None:
            self.kill()

    def _inside(self, action):
        if self.namespace is None:
            return action()
        with self.namespace.entered():  # the client's threads stay there
            return action()

    def make_topic(self, name, partitions=1, **config):
        from confluent_kafka.admin import AdminClient, NewTopic  # of build-venv

        admin = self._inside(lambda: AdminClient({"bootstrap.servers": self.address}))
        config = {key.replace("_", "."): str(value) for key, value in config.items()}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
        admin.create_topics([topic])[name].result(30)

    def read(self, topic):
        """(partition, key, value) of every message, each partition in its order."""
        from confluent_kafka import Consumer, TopicPartition  # of build-venv

        settings = {"bootstrap.servers": self.address, "group.id": "tests", "enable.auto.commit": False}
        settings |= {"auto.offset.reset": "error", "isolation.level": "read_committed"}
        consumer = self._inside(lambda: Consumer(settings))
        try:
            places = [TopicPartition(topic, number, 0) for number in consumer.list_topics(topic, 30).topics[topic].partitions]
            wanted = sum(consumer.get_watermark_offsets(place, timeout=30)[1] for place in places)
            consumer.assign(places)
            return list(_messages(consumer, wanted))
        finally:
            consumer.close()


def _messages(consumer, wanted):
    deadline = time.monotonic() + READ_SECONDS
    while wanted > 0:
        assert time.monotonic() < deadline, f"{wanted} messages did not come in {READ_SECONDS} s"
        for message in consumer.consume(10000, 0.2):
            assert message.error() is None, message.error()
            wanted -= 1
            yield message.partition(), message.key().decode(), message.value().decode()
