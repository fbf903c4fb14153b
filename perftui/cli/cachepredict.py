"""What nodes of a cache say of their predictive warming, for `perftui cache warm list`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from perftui.model.noderecord import NodesLook
from perftui.model.predicted import Predicted, PredictedGroup


def rows(look: NodesLook) -> list[dict[str, Any]]:
    """A row a node that predicts: its figures, and those of its groups."""
    return [
        {
            "namespace": namespace,
            "node": node,
            "on": told.on,
            "precision": told.precision,
            "hit_gain": told.gain,
            "keys": told.keys,
            "failed": told.failed,
            "paused": told.paused,
            "hour": told.hour,
            "hours": [{"predicted": made, "used": used} for made, used in told.hours],
            "groups": [_group(group) for group in told.groups],
        }
        for namespace, node, told in _told(look)
    ]


def lines(look: NodesLook) -> Iterator[str]:
    """The same in words, a line a node and one a group that is off."""
    from perftui.draw import format as fmt

    for namespace, node, told in _told(look):
        day = sum(group.day for group in told.groups if group.off is None)
        good = "not known yet" if told.precision is None else f"{fmt.ratio(told.precision)} of {day} in a day"
        gain = "" if told.gain is None else f", hit gain {100 * told.gain:.1f} points"
        paused = ", paused: the source is slow or fails" if told.paused else ""
        keys = f"{fmt.many(told.keys, 'key')} followed"
        yield f"{namespace} predictions at {node}: precision {good}{gain}, {keys}{paused}"
        for group in told.groups:
            if group.off is not None:
                off, name = group.off, group.name or "keys without a group"
                yield f"{namespace} {name} at {node}: off, {off.used} of {off.of} were used in a day"


def _told(look: NodesLook) -> Iterator[tuple[str, str, Predicted]]:
    for record in look.records:
        if record.stats.predicted is not None:
            yield record.stats.namespace, record.stats.node, record.stats.predicted


def _group(group: PredictedGroup) -> dict[str, Any]:
    off = group.off
    return {
        "name": group.name,
        "on": off is None,
        "precision": group.precision,
        "day": group.day,
        "used": group.used,
        "wasted": group.wasted,
        "open": group.open,
        "off": None if off is None else {"at": off.at, "used": off.used, "of": off.of},
    }
