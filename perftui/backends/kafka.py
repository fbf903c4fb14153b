"""Kafka: how far each consumer group is behind, partition by partition.

The lag is what Kafka's own `kafka-consumer-groups` calls it: the end of the log (its high watermark) less
the committed offset. https://kafka.apache.org/protocol
"""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from perftui.model.errors import Lost, Protocol, Refused, Unsupported
from perftui.model.options import KafkaOptions
from perftui.model.queues import QueueDepth, QueuePart, QueuesReading, QueueView, pace
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey

ANSWER = 2.0  # seconds a broker may take for one request
LOOK = 4.0
MOST_GROUPS = 200
MOST_PARTITIONS = 2000
MOST_SERIES = 500  # of partitions; queues have theirs in any case
END = -1  # the timestamp that asks for the end of a log
NO_LEADER = -1
Partition = tuple[str, int]
Offsets = dict[Partition, int]


class Kafka:
    """One cluster; power `QueueReader`. A queue is what one group reads of one topic: `topic@group`."""

    kind: ClassVar[str] = "kafka"
    layer: ClassVar[str] = "api"
    Options: ClassVar[type] = KafkaOptions
    libraries: ClassVar[tuple[str, ...]] = ("aiokafka.client",)
    period: ClassVar[float] = 5.0
    idle_period: ClassVar[float] = 30.0
    deadline: ClassVar[float] = 5.0

    def __init__(self, name: str, options: KafkaOptions) -> None:
        self.name = name
        self._options = options
        self._client: Any = None
        self._known: tuple[QueueDepth, ...] = ()
        self._known_at = float("-inf")
        self._before: dict[str, QueueDepth] = {}

    async def open(self) -> None:
        """Find the cluster through one of the brokers told; log in where a user is told."""
        try:
            from aiokafka.client import AIOKafkaClient
        except ImportError as error:
            raise Unsupported(f"{self.name}: needs aiokafka: pip install 'perftui[kafka]'") from error
        # What it would log, it also raises; unhandled warnings would be written over the screen.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        told = await asyncio.to_thread(self._connection)
        async with self._bounded(LOOK):
            await self._log_in(told)
            client = AIOKafkaClient(
                bootstrap_servers=self._options.bootstrap, metadata_max_age_ms=30_000, **told
            )
            try:
                await client.bootstrap()
            except BaseException:
                await client.close()
                raise
        self._client = client

    async def close(self) -> None:
        """Let go of every connection; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def read(self) -> Reading:
        """Lag of every group, topic and partition, and its pace since the look before."""
        at, began = time.time(), time.monotonic()
        depths = await self._look()
        views = tuple(pace(depth, self._before.get(depth.name)) for depth in depths)
        self._before = {depth.name: depth for depth in depths}
        samples = tuple(self._samples(views))
        return Reading(self.name, at, time.monotonic() - began, samples, QueuesReading(views))

    async def queues(self) -> tuple[QueueDepth, ...]:
        """What was read last, when that is as young as the poller's reads are; else looked at now."""
        if time.monotonic() - self._known_at < self.period:
            return self._known
        return await self._look()

    def _connection(self) -> dict[str, Any]:
        """What every connection is made with; reading certificates takes a disk."""
        from aiokafka.helpers import create_ssl_context

        o = self._options
        try:
            context = create_ssl_context(cafile=o.ca_file or None) if o.tls else None
        except OSError as error:
            raise Refused(f"{self.name}: ca_file cannot be used: {error}") from error
        told: dict[str, Any] = {
            "client_id": "perftui",
            "request_timeout_ms": int(ANSWER * 1000),
            "ssl_context": context,
            "security_protocol": ("SASL_" if o.username else "") + ("SSL" if o.tls else "PLAINTEXT"),
        }
        if o.username:
            login = {"mechanism": o.mechanism, "plain_username": o.username, "plain_password": o.password}
            told |= {f"sasl_{key}": value for key, value in login.items()}
        return told

    async def _log_in(self, told: Mapping[str, Any]) -> None:
        """Try the login by itself: the client's own start takes a refusal for a broker that is away."""
        from aiokafka.conn import collect_hosts, create_conn
        from aiokafka.errors import KafkaConnectionError

        for host, port, _family in collect_hosts(self._options.bootstrap) if self._options.username else ():
            try:
                connection = await create_conn(host, port, **told)
            except (OSError, TimeoutError, KafkaConnectionError):
                continue
            except KeyError as error:  # aiokafka 0.14 looks for a proof in a SCRAM answer that is a refusal
                raise Refused(f"{self.name}: the broker refuses the login") from error
            connection.close()
            return

    @asynccontextmanager
    async def _bounded(self, seconds: float) -> AsyncIterator[None]:
        """A deadline around calls of the client, whose errors become ours."""
        from aiokafka import errors

        refusals = (
            errors.SaslAuthenticationFailed,
            errors.AuthenticationFailedError,
            errors.AuthenticationMethodNotSupported,
            errors.UnsupportedSaslMechanismError,
            errors.ClusterAuthorizationFailedError,
            errors.GroupAuthorizationFailedError,
        )
        where = self._options.bootstrap
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise Lost(f"{self.name}: no answer from {where} in time") from error
        except refusals as error:
            raise Refused(f"{self.name}: the broker refuses us: {type(error).__name__}") from error
        except (OSError, errors.KafkaError) as error:
            raise Lost(f"{self.name}: cannot reach {where}: {type(error).__name__}") from error
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise Protocol(f"{self.name}: {where} answers what cannot be read: {error!r}"[:300]) from error

    async def _look(self) -> tuple[QueueDepth, ...]:
        client = self._client
        if client is None:
            raise Lost(f"{self.name}: not open")
        at = time.time()
        async with self._bounded(LOOK):
            cluster = await client.fetch_all_metadata()
            partitions = self._partitions(cluster)
            # Committed offsets first: the ends only grow, so that no lag is negative.
            groups, members = await self._groups(client)
            told = await asyncio.gather(
                *(self._committed(client, broker, group, partitions) for group, broker in groups.items())
            )
            ends = await self._ends(client, cluster, {p for offsets in told for p in offsets})
            rows = [
                self._depth(group, topic, at, offsets, ends, members.get(group))
                for group, offsets in zip(groups, told, strict=True)
                for topic in sorted({topic for topic, _ in offsets})
            ]
        self._known, self._known_at = tuple(row for row in rows if row is not None), time.monotonic()
        return self._known

    def _partitions(self, cluster: Any) -> tuple[Partition, ...]:
        topics = _matching(cluster.topics(), self._options.topics)
        found = ((t, p) for t in topics for p in sorted(cluster.partitions_for_topic(t) or ()))
        return tuple(found)[:MOST_PARTITIONS]

    async def _groups(self, client: Any) -> tuple[dict[str, int], dict[str, int]]:
        """Group → the broker that keeps its offsets, which is the one that lists it; and its members."""
        from aiokafka.errors import for_code
        from aiokafka.protocol.admin import ListGroupsRequest

        brokers = [broker.nodeId for broker in client.cluster.brokers()]
        listed = await asyncio.gather(*(client.send(broker, ListGroupsRequest()) for broker in brokers))
        found: dict[str, int] = {}
        for broker, answer in zip(brokers, listed, strict=True):
            if answer.error_code:
                raise for_code(answer.error_code)
            # Groups of other kinds (Connect's, the schema registry's) commit no offsets.
            names = [name for name, kind, *_ in answer.groups if kind in {"", "consumer"}]
            found |= dict.fromkeys(_matching(names, self._options.groups), broker)
        found = dict(list(found.items())[:MOST_GROUPS])
        return found, await self._members(client, found)

    async def _members(self, client: Any, groups: Mapping[str, int]) -> dict[str, int]:
        """Group → connected members; asked one by one, for Tansu 0.6 answers for several unreadably."""
        from aiokafka.protocol.admin import DescribeGroupsRequest

        answers = await asyncio.gather(
            *(client.send(broker, DescribeGroupsRequest([group])) for group, broker in groups.items())
        )
        rows = [row for answer in answers for row in answer.groups]
        return {row[1]: len(row[5]) for row in rows if not row[0]}

    async def _committed(
        self, client: Any, broker: int, group: str, partitions: Iterable[Partition]
    ) -> Offsets:
        """Where the group stands; the partitions are named, for not every broker answers for all."""
        from aiokafka.protocol.commit import OffsetFetchRequest

        by_topic: dict[str, list[int]] = defaultdict(list)
        for topic, partition in partitions:
            by_topic[topic].append(partition)
        if not by_topic:
            return {}
        answer = await client.send(broker, OffsetFetchRequest(group, list(by_topic.items())))
        return {
            (topic, partition): offset
            for topic, rows in answer.topics
            for partition, offset, _metadata, error in rows
            if not error and offset >= 0
        }

    async def _ends(self, client: Any, cluster: Any, partitions: Iterable[Partition]) -> Offsets:
        """Ends of the logs, from each one's leader; one that has none now is left out."""
        from aiokafka.protocol.offset import OffsetRequest
        from aiokafka.structs import TopicPartition

        by_leader: dict[int, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        for topic, partition in sorted(partitions):
            leader = cluster.leader_for_partition(TopicPartition(topic, partition))
            if leader is not None and leader != NO_LEADER:
                by_leader[leader][topic].append((partition, END))
        answers = await asyncio.gather(
            *(
                client.send(leader, OffsetRequest(-1, 0, list(topics.items())))
                for leader, topics in by_leader.items()
            )
        )
        return {
            (topic, row[0]): row[3]
            for answer in answers
            for topic, rows in answer.topics
            for row in rows
            if not row[1]
        }

    def _depth(
        self, group: str, topic: str, at: float, offsets: Offsets, ends: Offsets, members: int | None
    ) -> QueueDepth | None:
        parts = tuple(
            QueuePart(str(place[1]), max(0, ends[place] - offset), ends[place])
            for place, offset in sorted(offsets.items())
            if place[0] == topic and place in ends
        )
        if not parts:
            return None
        waiting, added = sum(part.waiting for part in parts), sum(part.added for part in parts)
        name = f"{topic}@{group}"
        return QueueDepth(self.name, "Kafka", name, at, waiting, added=added, consumers=members, parts=parts)

    def _samples(self, views: Sequence[QueueView]) -> Iterable[Measure]:
        left = MOST_SERIES
        for view in views:
            topic, _, group = view.depth.name.partition("@")
            labels = (("group", group), ("topic", topic))
            rows = (
                ("lag", float(view.depth.waiting), "1"),
                ("in_per_s", view.in_per_s, "1/s"),
                ("out_per_s", view.out_per_s, "1/s"),
                ("drain_s", view.drains_in, "s"),
            )
            for name, value, unit in rows:
                if value is not None:
                    yield Measure(SeriesKey(self.name, name, labels), value, unit)
            for part in view.depth.parts[:left]:
                key = SeriesKey(self.name, "partition.lag", (labels[0], ("partition", part.name), labels[1]))
                yield Measure(key, float(part.waiting))
            left = max(0, left - len(view.depth.parts))


def _matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    return sorted(name for name in names if any(fnmatch.fnmatchcase(name, p) for p in patterns))
