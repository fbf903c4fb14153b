"""Memory that holds no keys: when fragments and buffers of connections are told, and when not."""

from __future__ import annotations

from typing import Any

from perftui.engines.cache.configure import ALLOWED
from perftui.engines.cache.heldfindings import LEAST, SMALL
from perftui.model.cache import HeldBytes, Loose
from perftui.model.finding import Effort, Finding
from tests.engines.cache.test_findings import GIB, conclude

TWICE: dict[str, Any] = {"used_bytes": GIB // 2, "rss_bytes": GIB, "peak_bytes": GIB // 2}
JEMALLOC = TWICE | {"allocator": "jemalloc-5.3.0"}
OFF, ON = (("activedefrag", "no"),), (("activedefrag", "yes"),)
UNBOUNDED = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"


def test_where_the_server_can_do_nothing_the_finding_says_so() -> None:
    found = conclude(**TWICE)["cache.fragmented"]
    assert "1.00 GiB resident for 512 MiB used (2.00 times)" in found.evidence[0]
    assert (
        "allocator libc: the server can give nothing back while it runs; a restart does" in found.evidence[1]
    )
    assert (found.offer, found.effort, found.gain) == (None, Effort.HOURS, GIB // 2)


def test_what_is_freed_is_given_back() -> None:
    found = conclude(**JEMALLOC, loose=Loose(400 << 20, 90 << 20), settings=OFF)["cache.fragmented"]
    assert found.evidence[1] == "allocator jemalloc-5.3.0: 400 MiB freed and kept, 90.0 MiB between values"
    assert found.offer is not None
    assert (found.offer.action, found.offer.params) == ("cache.give-back", ())


def test_what_lies_between_values_is_moved() -> None:
    between = Loose(20 << 20, 480 << 20)
    found = conclude(**JEMALLOC, loose=between, settings=OFF)["cache.fragmented"]
    assert found.offer is not None
    assert dict(found.offer.params) == {"parameter": "activedefrag", "value": "yes"}
    assert {"activedefrag", "client-output-buffer-limit"} <= ALLOWED.keys()
    for settings, said in ((ON, "activedefrag is on"), ((), "a restart gives it back")):
        told = conclude(**JEMALLOC, loose=between, settings=settings)["cache.fragmented"]
        assert told.offer is None
        assert said in told.evidence[2]
    elsewhere = conclude(**JEMALLOC, loose=Loose(20 << 20, 20 << 20), settings=OFF)["cache.fragmented"]
    assert elsewhere.offer is None


def test_a_little_above_or_a_small_server_is_not() -> None:
    assert "cache.fragmented" not in conclude(used_bytes=GIB // 2, rss_bytes=int(0.74 * GIB))
    assert "cache.fragmented" not in conclude(used_bytes=SMALL - 1, rss_bytes=3 * SMALL)


def test_large_buffers_of_connections_are_told() -> None:
    told = conclude(max_bytes=GIB, used_bytes=GIB // 2, held=HeldBytes(GIB // 8, 0, 0))
    found = told["cache.large-buffers"]
    assert "128 MiB in buffers of clients, 0 B of replicas: 12.5% of the limit" in found.evidence[0]
    assert found.offer is None  # what bounds them is not known
    few = HeldBytes(LEAST - 1, 0, GIB)
    assert "cache.large-buffers" not in conclude(max_bytes=0, used_bytes=LEAST, held=few)
    assert "cache.large-buffers" not in conclude(max_bytes=GIB, held=HeldBytes(GIB // 11, 0, 0))


def test_clients_that_leave_much_unread_are_bounded_where_nothing_does() -> None:
    def told(held: HeldBytes, limits: str) -> Finding:
        known = (("client-output-buffer-limit", limits),)
        return conclude(max_bytes=GIB, used_bytes=GIB // 2, held=held, settings=known)["cache.large-buffers"]

    found = told(HeldBytes(GIB // 8, 0, 0), UNBOUNDED)
    assert found.offer is not None
    assert dict(found.offer.params) == {
        "parameter": "client-output-buffer-limit",
        "value": "normal 67108864 16777216 60",
    }
    assert "leave 64.0 MiB unread" in found.offer.title
    assert "sets clients no bound" in found.evidence[1]
    bounded = told(HeldBytes(GIB // 8, 0, 0), UNBOUNDED.replace("normal 0 0 0", "normal 1000 0 0"))
    assert bounded.offer is None
    assert "bounds that" in bounded.evidence[1]
    replicas = told(HeldBytes(0, GIB // 8, 0), UNBOUNDED)
    assert replicas.offer is None
    assert "a whole copy" in replicas.evidence[1]
