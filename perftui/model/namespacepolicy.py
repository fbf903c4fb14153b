"""What a console has the nodes of a namespace obey: TTL of entries given none, and whether loads are shared.

The sorted set `__policy:NAMESPACE` in L2 has the fields as members, named with their version, and figures as
their scores: `ttl.1` is seconds, `shared.1` is 1 or 0. Nodes read a field by `ZADD … XX INCR 0`: it makes
and changes nothing, its answer is a few bytes whatever stands there, and other than a read it counts no miss
of the server where there is no policy. Members that are not known are ignored. Anybody may have written any
of it.
"""

from __future__ import annotations

from typing import Any, Final

from perftui.model.risk import Risk
from perftui.model.tiers import seconds

TTL: Final = b"ttl.1"
LEAST, MOST = 1.0, 366 * 86400.0  # seconds that a TTL may be set to
SHARED: Final = b"shared.1"
DEFAULT: Final = "default"  # in place of a value: as the nodes' own options say
ON, OFF = "on", "off"
SET_TTL: Final = (
    "cache.set-ttl",
    "Set the TTL of a namespace",
    Risk.CHANGES,
    "TtlKeeper",
    "perftui.engines.cache.ttl:SetTtl",
    "How long entries live that were given no TTL of their own; nodes obey within seconds.",
)
"""Its row of the table of actions, which has no room."""
SHARE_LOADS: Final = (
    "cache.share-loads",
    "Share the loads of a namespace",
    Risk.CHANGES,
    "LoadSharer",
    "perftui.engines.cache.shareloads:ShareLoads",
    "One load of a key for all processes that miss it together, or one each; nodes obey within seconds.",
)


def policy_key(namespace: str) -> bytes:
    """Where a namespace's policy is; outside of what invalidation watches."""
    return f"__policy:{namespace}".encode("utf-8", "surrogatepass")


def ttl_of(score: Any) -> float | None:
    """The TTL in seconds as the server told the field's score; None where there is none.

    Raises:
        ValueError: it is no TTL that can be set.
    """
    if score is None:
        return None
    ttl = float(score) if isinstance(score, bytes | float | int) else 0.0
    if not LEAST <= ttl <= MOST:  # also what is no number
        raise ValueError("no TTL")
    return ttl


def shared_of(score: Any) -> bool | None:
    """Whether loads are to be shared, as the server told the field's score; None where there is none.

    Raises:
        ValueError: it is neither 1 nor 0.
    """
    if score is None:
        return None
    figure = float(score) if isinstance(score, bytes | float | int) else -1.0
    if figure not in {0.0, 1.0}:
        raise ValueError("neither on nor off")
    return figure == 1.0


def read_shared(text: str) -> bool | None:
    """`on`, `off`, or None for `default`, or nothing.

    Raises:
        ValueError: it is another word; the text says so.
    """
    word = text.strip().lower()
    if word in {"", DEFAULT}:
        return None
    if word not in {ON, OFF}:
        raise ValueError(f"loads are shared `{ON}`, `{OFF}`, or `{DEFAULT}`: as the options of the nodes say")
    return word == ON


def read_ttl(text: str) -> float | None:
    """A TTL as it was typed, in seconds; None for `default`, or nothing.

    Raises:
        ValueError: it is no duration, or none that can be set; the text says so.
    """
    if text.strip() in {"", DEFAULT}:
        return None
    ttl = seconds(text)
    if not LEAST <= ttl <= MOST:
        raise ValueError("a TTL is 1s to 366d, or `default`: as the options of the nodes say")
    return ttl
