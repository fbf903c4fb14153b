"""A channel's state and a delivery's in words, the same on the screen and in a shell."""

from __future__ import annotations

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.notify import ChannelState, Delivery, DeliveryState

NOBODY = "no one will be told: no channel is configured ([channels.NAME] in the configuration)"


def channel_words(one: ChannelState) -> str:
    """Such as: last sent 14:02, 3 queued, failing since 14:05: invalid_token."""
    sent = f"last sent {fmt.clock(one.sent_at)}" if one.sent_at else "nothing sent yet"
    queued = f", {one.queued} queued" if one.queued else ""
    said = inert(one.problem or one.said, 120)
    failing = f", failing since {fmt.clock(one.failing)}: {said}" if one.failing else ""
    return f"{sent}{queued}{failing}"


def delivery_word(found: tuple[Delivery, ...]) -> str:
    """How an alert's newest messages went: what is in trouble before what is well."""
    newest: dict[str, Delivery] = {}
    for one in found:
        newest.setdefault(one.channel, one)
    order = (
        DeliveryState.REFUSED,
        DeliveryState.GIVEN_UP,
        DeliveryState.QUEUED,
        DeliveryState.FOLDED,
        DeliveryState.SENT,
    )
    worst = min(newest.values(), key=lambda one: order.index(one.state), default=None)
    if worst is None:
        return ""
    more = f" +{len(newest) - 1}" if len(newest) > 1 else ""
    return f"{worst.state.value} {inert(worst.channel, 20)}{more}"
