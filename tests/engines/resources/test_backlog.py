"""What is concluded from looks at queues, as the resources engine is fed them."""

from __future__ import annotations

from perftui.engines.resources import ResourcesEngine
from perftui.model.health import Health, Link
from perftui.model.queues import QueueDepth, QueuesReading, QueueView
from perftui.model.reading import Look, Reading
from perftui.runtime.rings import Rings

LIVE = Health(Link.LIVE, 0.0)


def seen(*rows):
    """Findings after looks of (at, waiting, consumers) at one queue."""
    engine, rings = ResourcesEngine(), Rings(seconds=3600)
    report = None
    for at, waiting, consumers in rows:
        depth = QueueDepth("events", "Kafka", "orders@billing", at, waiting, consumers=consumers)
        facts = QueuesReading((QueueView(depth, 30.0, 20.0),))
        look = Look("events", "kafka", Reading("events", at, 0.01, (), facts), LIVE)
        report = engine.observe(at, {"events": look}, rings)
    return report, {finding.id: finding for finding in engine.findings(report)}


def test_what_waits_and_nobody_takes_is_found():
    report, found = seen((0, 60, 0))
    assert report.queues[0].depth.waiting == 60
    finding = found["queue.no-consumer"]
    assert finding.evidence == ("60 waiting, no consumer connected", "30.0/s in, 20.0/s out")
    assert finding.labels == (("queue", "orders@billing"),)
    assert seen((0, 60, 2))[1] == {}
    assert seen((0, 60, None))[1] == {}  # nobody counts them
    assert seen((0, 3, 0))[1] == {}


def test_a_queue_that_grows_for_minutes_is_found_and_one_that_is_emptied_now_and_then_is_not():
    grows = [(t, 100 + t, 2) for t in range(0, 400, 10)]
    finding = seen(*grows)[1]["queue.growing"]
    assert finding.evidence[0] == "100 waiting 6 min ago, 490 now"
    assert seen(*grows[:20])[1] == {}
    assert seen(*((t, 100 + t % 200, 2) for t in range(0, 800, 10)))[1] == {}
    assert seen(*((t, 500, 2) for t in range(0, 800, 10)))[1] == {}
