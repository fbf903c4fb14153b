"""LATENCY HISTOGRAM (Redis 7.0, every Valkey): cumulative buckets into latency since the last look."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from perftui.analysis.commandlatency import NAMES, latency
from perftui.backends.valkey.info import grown
from perftui.model.cache import CommandLatency

_READS = """
get mget getrange getbit strlen exists ttl pttl type hget hmget hgetall hlen hexists hkeys hvals hstrlen
lindex llen lrange scard sismember smismember smembers sinter sunion sdiff srandmember zcard zcount zrange
zrangebyscore zrank zscore zmscore bitcount bitpos xrange xrevrange xlen xread geosearch geopos geodist
pfcount object touch eval_ro evalsha_ro fcall_ro
"""
_WRITES = """
set mset setex psetex setnx msetnx getset getdel getex append setrange setbit incr incrby incrbyfloat decr
decrby del unlink expire pexpire expireat pexpireat persist rename renamenx copy restore hset hmset hsetnx
hdel hincrby hincrbyfloat lpush rpush lpop rpop lset lrem ltrim linsert lmove sadd srem spop smove zadd
zrem zincrby zpopmin zpopmax zremrangebyscore zremrangebyrank xadd xdel xtrim xack xreadgroup pfadd geoadd
eval evalsha fcall publish
"""
_OWN = """
info latency slowlog commandlog config client ping hello auth replconf psync sync command select monitor
scan dbsize memory cluster acl quit debug
"""
READS, WRITES, OWN = (frozenset(names.split()) for names in (_READS, _WRITES, _OWN))
"""Classes of commands. OWN is what consoles and replicas ask: left out, so that looking changes nothing."""

Groups = Mapping[str, Mapping[int, int]]
"""Commands by class and bucket."""


def group(command: str) -> str:
    """`read`, `write`, `other`, or `` for commands of consoles and replicas."""
    stem = command.partition("|")[0]
    if stem in OWN:
        return ""
    return "read" if stem in READS else "write" if stem in WRITES else "other"


def parse(reply: Sequence[Any]) -> dict[str, Counter[int]]:
    """Commands counted per group and bucket (upper bound as a power of two of microseconds)."""
    groups: dict[str, Counter[int]] = {}
    for raw, body in zip(reply[::2], reply[1::2], strict=True):
        name = group(raw.decode("ascii", "replace"))
        fields = dict(zip(body[::2], body[1::2], strict=True))
        if not name:
            continue
        bounds = fields.get(b"histogram_usec", [])
        below = 0
        for bound, cumulative in zip(bounds[::2], bounds[1::2], strict=True):
            groups.setdefault(name, Counter())[round(math.log2(max(bound, 1)))] += cumulative - below
            below = cumulative
    return groups


def since(now: Groups, before: Groups | None, seconds: float) -> tuple[CommandLatency, ...]:
    """Latency per group of what ran in the last `seconds`; empty without an earlier look."""
    if before is None or seconds <= 0:
        return ()
    rows = []
    for name in NAMES:
        was = before.get(name, {})
        new = {b: int(grown(n, was.get(b, 0))) for b, n in now.get(name, {}).items()}
        found = latency(name, {b: n for b, n in new.items() if n > 0}, seconds)
        if found is not None:
            rows.append(found)
    return tuple(rows)
