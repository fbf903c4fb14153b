"""The Valkey backend against a real server: looks, keyspace, quarantine, and the bad days."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey import Valkey, ValkeyOptions, info, keys, latency, slowlog
from perftui.backends.valkey.link import Link, parse_url
from perftui.backends.valkey.monitor import tally
from perftui.backends.valkey.quarantine import hash_tag, original, written
from perftui.backends.valkey.streamlines import arguments
from perftui.model.cache import CacheReading, KeyTally
from perftui.model.errors import ConfigError, Lost, Protocol, Refused, Unsupported
from perftui.model.ports import (
    FigureSource,
    QueueReader,
    ReplicaAttacher,
    ReplicaPromoter,
    SettingsReader,
)
from tests.backends.contract import At, BackendContract, Make
from tests.backends.valkeypowers import KEYS, LIBRARY, SERVERS
from tests.waiting import auntil, until

HOSTILE = [
    b"plain:1",
    b"\x1b[2J\x1b]0;owned\x07:x",
    b"line\nbreak:\r\n",
    b"nul\x00:\xff\xfe\x80",
    "bidi:\u202eevil\u2066".encode(),
    b"glob:*?[a]^\\",
    b"brace:{tag}:x",
    b"brace:}odd{",
    b"{}",
    b"",
    b"perftui:quarantin",
    b"big:" + b"k" * 1_000_000,
]


def options(server: Any, **more: Any) -> ValkeyOptions:
    return ValkeyOptions(url=f"redis://127.0.0.1:{server.port}/0", **{"password": server.password, **more})


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url))
    await link.one("FLUSHALL", deadline=5)
    yield link
    await link.close()


@pytest.fixture
async def server(valkey: Any, raw: Link) -> AsyncIterator[Valkey]:
    made = Valkey("cache", options(valkey))
    yield made
    await made.close()


async def fill(raw: Link, n: int, name: str = "k:{}", value: bytes = b"v" * 100) -> None:
    for start in range(0, n, 5000):
        commands = [("SET", name.format(i), value) for i in range(start, min(n, start + 5000))]
        await raw.ask(commands, 10)


class TestContract(BackendContract):
    """The house's contract, on a live server with a password."""

    powers = (
        *LIBRARY,
        *SERVERS,
        *KEYS,
        FigureSource,
        QueueReader,
        ReplicaAttacher,
        ReplicaPromoter,
        SettingsReader,
    )

    @pytest.fixture
    def live(self, valkey: Any) -> Make:
        return lambda: Valkey("cache", options(valkey))

    @pytest.fixture
    def at(self, valkey: Any) -> At:
        return lambda port: Valkey(
            "cache", ValkeyOptions(url=f"redis://127.0.0.1:{port}/0", password=valkey.password)
        )

    @pytest.fixture
    def wrong_login(self, valkey: Any) -> Make:
        return lambda: Valkey("cache", options(valkey, password="wrong"))

    @pytest.fixture
    def secret(self, valkey: Any) -> str:
        return valkey.password


class TestReading:
    async def test_figures_agree_with_another_client(self, server: Valkey, raw: Link) -> None:
        await fill(raw, 500)
        await server.read()
        await raw.ask([("GET", "k:1")] * 300 + [("GET", "absent")] * 100, 5)
        facts: CacheReading = (await server.read()).facts
        fields = info.parse(await raw.one("INFO", "all", deadline=2))
        assert facts.keys == 500
        assert facts.hit_ratio == pytest.approx(0.75)
        assert facts.max_bytes == int(fields["maxmemory"])
        assert facts.policy == fields["maxmemory_policy"]
        assert facts.used_bytes == pytest.approx(int(fields["used_memory"]), rel=0.2)
        assert facts.product == "Valkey"
        assert facts.replication.role == "primary"

    async def test_a_server_whose_info_takes_one_section(self, server: Valkey) -> None:
        server._sections = ("a", "b", "c")  # no such sections: the fields a look needs are missing
        with pytest.raises(Protocol):
            await server.read()
        server._sections = ("all",)
        assert (await server.read()).facts.used_bytes > 0

    async def test_first_look_has_no_rates_and_no_ratio(self, server: Valkey) -> None:
        reading = await server.read()
        assert reading.facts.ops_per_s is None
        assert reading.facts.hit_ratio is None
        assert not [m for m in reading.samples if m.key.name in {"ops_per_s", "hit_ratio"}]

    async def test_rates_survive_a_reset(self, server: Valkey, raw: Link) -> None:
        await raw.ask([("GET", "x")] * 500, 5)
        await server.read()
        await raw.one("CONFIG", "RESETSTAT", deadline=2)
        facts = (await server.read()).facts
        assert facts.ops_per_s is not None
        assert facts.ops_per_s >= 0
        assert facts.misses_per_s == 0

    async def test_looking_around_and_purging_do_not_move_the_hit_ratio(
        self, server: Valkey, raw: Link
    ) -> None:
        await fill(raw, 300)
        await server.read()
        await raw.ask([("GET", "k:1")] * 30 + [("GET", "absent")] * 10, 5)
        await server.page_keys(b"", 0, 300)
        await server.sample_keyspace(b"", 64)
        await server.survey_keys(b"k:*")
        await server.weigh([b"gone"])
        await server.quarantine_keys([b"k:1", b"k:2", b"gone"], "aa", 60, KeyTally())
        _, names = await server.scan_quarantine("aa", 0)
        await server.restore_keys([*names, b"perftui:quarantine:aa:-1:w:{gone}"], "aa", KeyTally())
        assert (await server.read()).facts.hit_ratio == pytest.approx(0.75)

    async def test_frequency_is_known_under_lfu_only(self, server: Valkey, raw: Link) -> None:
        await fill(raw, 3)
        old = (await server.parameters("maxmemory-policy")).values[0][1]
        await server.read()
        assert {row.freq for row in await server.weigh([b"k:1"])} == {None}
        await server.set_parameter("maxmemory-policy", "allkeys-lfu")
        await server.read()
        await raw.ask([("GET", "k:1")] * 50, 5)
        (row,) = await server.weigh([b"k:1"])
        assert row.freq
        assert row.encoding
        await server.set_parameter("maxmemory-policy", old)

    async def test_keys_tell_how_the_server_keeps_them(self, server: Valkey, raw: Link) -> None:
        await raw.ask([("SET", "n", 1), ("SET", "s", "x"), ("SET", "long", "x" * 300), ("SADD", "i", 1)], 5)
        rows = await server.weigh([b"n", b"s", b"long", b"i", b"gone"])
        assert [row.encoding for row in rows] == ["int", "embstr", "raw", "intset"]
        page = await server.page_keys(b"long", 0, 10)
        assert page.rows[0].encoding == "raw"

    async def test_one_round_trip_a_look(self, server: Valkey, raw: Link) -> None:
        await server.read()
        before = info.parse(await raw.one("INFO", "all", deadline=2))
        for _ in range(10):
            await server.read()
        after = info.parse(await raw.one("INFO", "all", deadline=2))
        reads = int(after["total_reads_processed"]) - int(before["total_reads_processed"])
        assert reads <= 11

    async def test_latency_by_class_of_command(self, server: Valkey, raw: Link) -> None:
        await raw.ask([("GET", "x"), ("SET", "x", 1)], 5)
        for _ in range(2):
            await server.read()
        await raw.ask([("GET", "x")] * 400 + [("SET", "x", 1)] * 200, 5)
        facts = (await server.read()).facts
        classes = {part.name: part for part in facts.latency}
        assert set(classes) == {"read", "write"}
        assert classes["read"].per_s / classes["write"].per_s == pytest.approx(2)
        for part in classes.values():
            assert 0 < part.p50_s <= part.p95_s <= part.p99_s < 1
            assert sum(rate for _, rate in part.buckets) == pytest.approx(part.per_s)

    async def test_slow_log_is_inert_and_keeps_no_secret(self, server: Valkey, raw: Link) -> None:
        old = await raw.one("CONFIG", "GET", "slowlog-log-slower-than", deadline=2)
        await raw.one("CONFIG", "SET", "slowlog-log-slower-than", 0, deadline=2)
        await raw.one("SET", b"\x1b[31mred\n", b"x", deadline=2)
        await raw.ask([("HELLO", "2", "AUTH", "ghost", "hunter2")], 2)
        await raw.one("CONFIG", "SET", "slowlog-log-slower-than", old[1], deadline=2)
        facts = (await server.read()).facts
        texts = [entry.text for entry in facts.slow]
        assert not [text for text in texts if text.startswith("INFO all")]
        assert any("\\x1b[31mred\\n" in text for text in texts)
        assert all(text.isprintable() for text in texts)
        assert "hunter2" not in "".join(texts)
        assert facts.slow_threshold_s == int(old[1]) / 1e6

    async def test_denied_parts_hide_their_panel_only(self, valkey: Any, raw: Link) -> None:
        await raw.one("ACL", "SETUSER", "viewer", "on", ">pw", "+info", "+client", "+ping", deadline=2)
        viewer = Valkey("cache", options(valkey, username="viewer", password="pw"))
        facts = (await viewer.read()).facts
        assert "+slowlog" in facts.limit("slow log")
        assert "+latency" in facts.limit("latency")
        assert "+zrangebyscore" in facts.limit("nodes")
        assert facts.tiers is None
        assert facts.used_bytes > 0
        await viewer.close()
        await raw.one("ACL", "DELUSER", "viewer", deadline=2)

    async def test_no_right_to_info_is_refused(self, valkey: Any, raw: Link) -> None:
        await raw.one("ACL", "SETUSER", "nobody", "on", ">pw", "+ping", "+client", deadline=2)
        made = Valkey("cache", options(valkey, username="nobody", password="pw"))
        with pytest.raises(Refused, match=r"\+info"):
            await made.read()
        await made.close()
        await raw.one("ACL", "DELUSER", "nobody", deadline=2)

    async def test_replication_from_both_sides(
        self, valkey: Any, valkey_replica: Any, server: Valkey, raw: Link
    ) -> None:
        follower = Valkey("replica", options(valkey_replica))
        await fill(raw, 50)
        facts = (await server.read()).facts
        (link,) = facts.replication.replicas
        assert link.state == "online"
        assert link.address.endswith(f":{valkey_replica.port}")
        other = (await follower.read()).facts.replication
        assert other.role == "replica"
        assert other.link_up
        assert other.primary.endswith(f":{valkey.port}")
        await follower.close()


class TestLink:
    async def test_pause_is_lost_then_live_again(self, valkey: Any, server: Valkey) -> None:
        await server.read()
        await valkey.pause()
        started = time.monotonic()
        with pytest.raises(Lost, match="no answer within"):
            await server.read()
        assert time.monotonic() - started < server.deadline
        await valkey.resume()
        assert (await server.read()).facts.used_bytes > 0

    async def test_kill_is_lost_then_live_without_false_rates(self, valkey: Any, server: Valkey) -> None:
        await server.read()
        await valkey.kill()
        with pytest.raises(Lost):
            await server.read()
        await valkey.restart()
        assert (await server.read()).facts.ops_per_s is None

    async def test_many_callers_share_a_link_in_order(self, raw: Link) -> None:
        replies = await asyncio.gather(*(raw.one("ECHO", str(i), deadline=5) for i in range(200)))
        assert replies == [str(i).encode() for i in range(200)]

    async def test_cancelled_change_learns_its_outcome(self, raw: Link) -> None:
        replies: list[Any] = []
        flight = asyncio.ensure_future(raw.ask([("SET", "a", 1), ("BLPOP", "never", "0.3")], 5, replies))
        other = Link(raw.address)
        await until(lambda: len(replies) == 1)
        flight.cancel()
        with pytest.raises(asyncio.CancelledError):
            await flight
        assert len(replies) == 2
        assert await raw.one("GET", "a", deadline=2) == b"1"
        assert raw.opened == 1
        await other.close()

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("redis://h:7/3", "h:7"),
            ("valkeys://u:p%40ss@h", "h:6379"),
            ("unix:///run/v.sock", "/run/v.sock:6379"),
            ("redis://[::1]:7", "[::1]:7"),
        ],
    )
    def test_urls(self, url: str, shown: str) -> None:
        address = parse_url(url)
        assert shown.startswith(str(address)) or str(address) == shown
        assert "p@ss" not in repr(address)

    @pytest.mark.parametrize("url", ["http://h", "redis://h:port", "redis://h/name", ""])
    def test_odd_urls_are_configuration_errors(self, url: str) -> None:
        with pytest.raises(ConfigError):
            parse_url(url)


class TestKeys:
    async def test_pages_reach_every_key_once(self, server: Valkey, raw: Link) -> None:
        await fill(raw, 3000)
        seen: set[bytes] = set()
        cursor, share = 0, 0.0
        while True:
            page = await server.page_keys(b"", cursor, 100)
            seen.update(row.key for row in page.rows)
            assert page.scanned >= share
            cursor, share = page.cursor, page.scanned
            if cursor == 0:
                break
        assert len(seen) == 3000
        assert page.scanned == 1.0
        assert page.total == 3000

    async def test_rows_say_type_ttl_and_bytes(self, server: Valkey, raw: Link) -> None:
        await raw.ask([("SET", "s", "v", "EX", 100), ("LPUSH", "l", 1, 2), ("HSET", "h", "f", "v")], 2)
        page = await server.page_keys(b"*", 0, 100)
        rows = {row.key: row for row in page.rows}
        assert {k: r.kind for k, r in rows.items()} == {b"s": "string", b"l": "list", b"h": "hash"}
        assert rows[b"s"].ttl_s == pytest.approx(100, abs=2)
        assert rows[b"l"].ttl_s is None
        assert all(row.bytes_ for row in rows.values())

    async def test_pattern_narrows(self, server: Valkey, raw: Link) -> None:
        await fill(raw, 200, "a:{}")
        await fill(raw, 30, "b:{}")
        page = await server.page_keys(b"b:*", 0, 100)
        assert len(page.rows) == 30

    async def test_hostile_names_come_back_true(self, server: Valkey, raw: Link) -> None:
        await raw.ask([("SET", name, b"x") for name in HOSTILE], 5)
        page = await server.page_keys(b"", 0, 100)
        assert {row.key for row in page.rows} == set(HOSTILE)

    async def test_small_keyspace_is_counted(self, server: Valkey, raw: Link) -> None:
        await fill(raw, 300, "a:{}")
        await fill(raw, 100, "b:{}", b"w" * 1000)
        space = await server.sample_keyspace(b"", 64)
        assert space.exact
        shares = {share.prefix: share for share in space.prefixes}
        assert shares[b"a:"].keys == 300
        assert shares[b"a:"].key_error == 0
        assert shares[b"b:"].byte_share > shares[b"a:"].byte_share
        assert space.biggest[0].key.startswith(b"b:")

    async def test_large_keyspace_is_sampled_within_its_interval(self, server: Valkey, raw: Link) -> None:
        await fill(raw, 20_000, "a:{}")
        await fill(raw, 10_000, "b:{}")
        space = await server.sample_keyspace(b"", 100)
        assert not space.exact
        assert space.sampled < 5000
        share = {s.prefix: s for s in space.prefixes}[b"b:"]
        assert abs(share.key_share - 1 / 3) < 2 * share.key_error
        assert 0 < share.key_error < 0.1

    async def test_more_keys_than_are_weighed_are_never_all_counted(
        self, server: Valkey, raw: Link, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keys, "WEIGH_LIMIT", 500)
        await fill(raw, 400, "a:{}")
        await fill(raw, 200, "b:{}")
        space = await server.sample_keyspace(b"", 100)
        assert not space.exact
        assert space.sampled <= 500
        assert all(share.key_error > 0 for share in space.prefixes)
        await raw.one("DEL", *(f"b:{n}" for n in range(150)), deadline=5)
        space = await server.sample_keyspace(b"", 100)
        assert space.exact
        assert {share.prefix: share.keys for share in space.prefixes} == {b"a:": 400, b"b:": 50}

    async def test_hot_keys_from_the_command_stream(self, server: Valkey, raw: Link) -> None:
        watch = asyncio.ensure_future(server.sample_commands(200, 2.0))
        hot = [("GET", b"hot\x1b")] * 3 + [("GET", "cold:{}")]
        while not watch.done():
            await raw.ask(hot, 2)
        sample = await watch
        assert sample.commands >= 190
        assert sample.keys[0].key == b"hot\x1b"
        assert sample.keys[0].share == pytest.approx(0.75, abs=0.05)
        assert (await server.read()).facts.watched == sample

    async def test_only_whole_values_put_in_place_are_loads(self, server: Valkey, raw: Link) -> None:
        watch = asyncio.ensure_future(server.sample_commands(200, 2.0))
        asked = [("SET", "page", "x", "EX", "30"), ("LPUSH", "newest", "1"), ("ZADD", "active", "1", "me")]
        while not watch.done():
            await raw.ask(asked, 2)
        keys = {k.key: k for k in (await watch).keys}
        assert keys[b"page"].loads == keys[b"page"].writes >= 50
        assert all(keys[name].loads == 0 < keys[name].writes for name in (b"newest", b"active"))


class TestQuarantine:
    async def test_moves_and_restores_hostile_names_with_their_ttl(self, server: Valkey, raw: Link) -> None:
        await raw.ask([("SET", name, b"v" + name[:9]) for name in HOSTILE], 5)
        await raw.one("PEXPIRE", HOSTILE[1], 90_000, deadline=2)
        await raw.one("PEXPIRE", HOSTILE[2], 9_000_000, deadline=2)
        tally = KeyTally()
        await server.quarantine_keys(HOSTILE, "ab12", 60.0, tally)
        assert (tally.done, tally.failed, tally.unsure) == (len(HOSTILE), 0, 0), tally.errors
        assert await raw.one("EXISTS", *HOSTILE, deadline=2) == 0
        cursor, names = await server.scan_quarantine("ab12", 0)
        assert (cursor, len(names)) == (0, len(HOSTILE))
        lives = await raw.ask([("PTTL", name) for name in names], 2)
        assert all(0 < left <= 60_000 for left in lives)
        back = KeyTally()
        await server.restore_keys(names, "ab12", back)
        assert back.done == len(HOSTILE)
        values = await raw.ask([("GET", name) for name in HOSTILE], 5)
        assert values == [b"v" + name[:9] for name in HOSTILE]
        ttls = await raw.ask([("PTTL", name) for name in HOSTILE], 5)
        assert ttls[0] == -1
        assert 80_000 < ttls[1] <= 90_000
        assert 8_900_000 < ttls[2] <= 9_000_000

    async def test_absent_taken_and_every_type(self, server: Valkey, raw: Link) -> None:
        await raw.ask([("LPUSH", "l", 1), ("SADD", "s", 1), ("XADD", "x", "*", "a", 1)], 2)
        tally = KeyTally()
        await server.quarantine_keys([b"l", b"s", b"x", b"gone"], "q1", 60, tally)
        assert (tally.done, tally.absent) == (3, 1)
        await raw.one("SET", "l", "newer", deadline=2)
        _, names = await server.scan_quarantine("q1", 0)
        back = KeyTally()
        await server.restore_keys(names, "q1", back)
        assert (back.done, back.kept) == (2, 1)
        assert await raw.one("GET", "l", deadline=2) == b"newer"

    async def test_quarantine_is_hidden_from_scans(self, server: Valkey, raw: Link) -> None:
        await fill(raw, 10)
        await server.quarantine_keys([b"k:1"], "q2", 60, KeyTally())
        _, names = await server.scan(b"*", 0, 1000)
        assert len(names) == 9

    async def test_survey_counts_and_weighs(self, server: Valkey, raw: Link) -> None:
        await fill(raw, 700, "a:{}")
        await fill(raw, 300, "b:{}")
        found = await server.survey_keys(b"a:*")
        assert (found.count, found.scanned, found.role) == (700, 1.0, "primary")
        assert len(found.sample) == 200
        each = await raw.one("MEMORY", "USAGE", "a:1", deadline=2)
        assert found.bytes_ == pytest.approx(700 * each, rel=0.2)

    async def test_replica_says_where_to_go(self, valkey_replica: Any, valkey: Any, raw: Link) -> None:
        follower = Valkey("replica", options(valkey_replica))
        await fill(raw, 3)
        assert (await follower.survey_keys(b"*")).role == "replica"
        tally = KeyTally()
        await follower.quarantine_keys([b"k:1"], "q3", 60, tally)
        assert tally.done == 0
        await follower.close()


class TestPure:
    @pytest.mark.parametrize("key", HOSTILE)
    def test_quarantined_names_are_reversible_and_share_the_slot(self, key: bytes) -> None:
        name = b"perftui:quarantine:q:-1:" + written(key)
        assert original(name, "q") == (key, -1)
        if b"}" not in key or hash_tag(key) is not key:
            assert hash_tag(name) in {hash_tag(key), key or name}

    @pytest.mark.parametrize(
        ("command", "text"),
        [
            ([b"AUTH", b"u", b"p"], "AUTH ••• •••"),
            ([b"CONFIG", b"SET", b"requirepass", b"p"], "CONFIG SET requirepass •••"),
            (
                [b"config", b"set", b"maxmemory", b"1", b"masterauth", b"p"],
                "config set maxmemory 1 masterauth •••",
            ),
            ([b"ACL", b"SETUSER", b"joe", b"on", b">pw", b"+@all"], "ACL SETUSER joe on >••• +@all"),
            ([b"MIGRATE", b"h", b"1", b"k", b"0", b"9", b"AUTH", b"p"], "MIGRATE h 1 k 0 9 AUTH •••"),
            ([b"GET", b"auth:token"], "GET auth:token"),
            ([], ""),
        ],
    )
    def test_masking(self, command: list[bytes], text: str) -> None:
        assert slowlog.command_text(command) == text

    @pytest.mark.parametrize("odd", ["many", "inf", "-inf", "nan", "1e999", ""])
    def test_an_odd_number_of_info_is_none(self, odd: str) -> None:
        told = info.part(f"# Clients\r\nconnected_clients:{odd}\r\nmaxclients:7\r\n".encode())
        assert (info.whole(told, "connected_clients"), info.whole(told, "maxclients")) == (0, 7)
        assert info.part(None) == {}

    def test_histogram_deltas_are_per_bucket(self) -> None:
        first = latency.parse([b"get", [b"calls", 3, b"histogram_usec", [1, 1, 4, 3]]])
        later = latency.parse([b"get", [b"calls", 7, b"histogram_usec", [1, 2, 2, 3, 4, 7]]])
        (read,) = latency.since(later, first, 2.0)
        assert read.per_s == 2.0
        assert dict(read.buckets) == {1e-6: 0.5, 2e-6: 0.5, 4e-6: 1.0}
        assert latency.since(first, later, 1.0)  # a reset shows what came after it

    def test_own_commands_are_left_out(self) -> None:
        assert latency.parse([b"info", [b"calls", 3, b"histogram_usec", [1, 3]]]) == {}

    def test_monitor_lines(self) -> None:
        line = b'1700000000.123456 [0 127.0.0.1:5555] "GET" "a\\x1b\\"\\\\\\n b"'
        assert arguments(line) == [b"GET", b'a\x1b"\\\n b']
        assert arguments(b"OK") == []
        assert tally([line, line], 1.0, 0.1).keys[0].count == 2
        sets = [b'1.0 [0 127.0.0.1:%d] "SET" "k" "v"' % port for port in (1, 1, 2)]
        hot = tally(sets, 1.0, 0.1).keys[0]
        assert (hot.writes, hot.writers, hot.loads) == (3, 2, 3)

    def test_a_lock_is_no_load_and_a_script_s_digest_no_key(self) -> None:
        lines = [
            b'1.0 [0 127.0.0.1:1] "SET" "lease" "t" "NX" "PX" "5000"',
            b'1.0 [0 127.0.0.1:1] "SET" "k" "say \\"NX\\"" "EX" "5"',
            b'1.0 [0 127.0.0.1:1] "EVALSHA" "abc" "1" "k" "v"',
            b'1.0 [0 lua] "SET" "k" "v"',
        ]
        sample = tally(lines, 1.0, 0.1)
        assert {key.key: (key.count, key.loads) for key in sample.keys} == {b"lease": (1, 0), b"k": (2, 2)}
        assert sample.commands == 4

    def test_old_server_names_what_is_missing(self) -> None:
        from hiredis import ReplyError

        from perftui.backends.valkey.link import translated

        error = translated(ReplyError("ERR unknown subcommand 'HISTOGRAM'"), "LATENCY", "h:1")
        assert isinstance(error, Unsupported)


async def test_a_key_tells_its_number_and_nothing_slow_is_asked(server: Valkey, raw: Link) -> None:
    await raw.ask([("SET", "n", "7.5"), ("ZADD", "z", 1, "a", 2, "b"), ("PFADD", "p", "x", "y", "x")], 5)
    await server.open()
    for read, value in (("GET n", 7.5), ("zcard z", 2), ("PFCOUNT p", 2), ("LLEN gone", 0)):
        assert [f.value for f in await server.figures(read)] == [value]
    for read in ("KEYS *", "FLUSHALL now", "SET n 1", "GET", "EVAL x 0"):
        with pytest.raises(Unsupported):
            await server.figures(read)
    await raw.one("SET", "word", "hello", deadline=5)
    with pytest.raises(Protocol):
        await server.figures("GET word")


async def test_answers_that_nobody_reads_are_memory_held_by_clients(valkey: Any, raw: Link) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", valkey.port)
    server = Valkey("cache", options(valkey))
    try:
        await raw.one("SET", "large", b"x" * 1_000_000, deadline=5)
        password = valkey.password.encode()
        writer.write(b"AUTH " + password + b"\r\n" + b"GET large\r\n" * 24)
        await writer.drain()

        async def held() -> bool:
            facts = (await server.read()).facts
            return bool(facts.held.clients > 8_000_000 and facts.rss_ratio > 0)

        await auntil(held)
        names = {sample.key.name for sample in (await server.read()).samples}
        assert {"client_buffer_bytes", "replica_buffer_bytes", "backlog_bytes"} <= names
        assert reader is not None
    finally:
        writer.close()
        await server.close()
