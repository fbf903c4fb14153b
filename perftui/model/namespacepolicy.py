"""What a console has the nodes of a namespace obey: default TTL, shared loads, local copies, early loads.

The sorted set `__policy:NAMESPACE` in L2 has the fields as members, named with their version, and figures as
their scores: `ttl.1` is seconds, `shared.1` is 1 or 0, `l1.1` the entries that nodes without an L1 keep in
one, or 0: none has any; `early.1` is XFetch's beta of nodes without one, or 0: none loads early. Nodes read a
field by `ZADD … XX INCR 0`: it makes and changes nothing, its answer is a few bytes whatever stands there,
and other than a read it counts no miss of the server where there is no policy. Members that are not known
are ignored. Anybody may have written any of it.
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

LOCAL: Final = b"l1.1"
LOCAL_ENTRIES: Final = 1000  # that a node without an L1 is given room for
LOCAL_MOST: Final = 100_000
LOCAL_LIFE: Final = 10.0  # seconds that an entry is fresh there, at most
LOCAL_COPIES: Final = (
    "cache.local-copies",
    "Keep local copies of a namespace",
    Risk.CHANGES,
    "LocalKeeper",
    "perftui.engines.cache.localcopies:KeepCopies",
    "A small L1 for nodes that have none, told of every change; or none for any; nodes obey within seconds.",
)

EARLY: Final = b"early.1"
EARLY_BETA: Final = 1.0  # the optimum of XFetch's paper
EARLY_MOST: Final = 10.0
LOAD_EARLY: Final = (
    "cache.load-early",
    "Load values of a namespace early",
    Risk.CHANGES,
    "EarlyKeeper",
    "perftui.engines.cache.loadearly:LoadEarly",
    "By chance shortly before their end, by how long loads take (XFetch), or not; nodes obey within seconds.",
)

POLICIES: Final = (SET_TTL, SHARE_LOADS, LOCAL_COPIES, LOAD_EARLY)


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
    ttl = _figure(score)
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
    figure = _figure(score)
    if figure not in {0.0, 1.0}:
        raise ValueError("neither on nor off")
    return figure == 1.0


def local_of(score: Any) -> int | None:
    """Entries that L1 is to hold, 0: none, as the server told the field's score; None where there is none.

    Raises:
        ValueError: it is no such count.
    """
    if score is None:
        return None
    figure = _figure(score)
    if not 0 <= figure <= LOCAL_MOST or figure != int(figure):  # also what is no number
        raise ValueError("no count of entries")
    return int(figure)


def early_of(score: Any) -> float | None:
    """XFetch's beta, 0: no early loads, as the server told the field's score; None where there is none.

    Raises:
        ValueError: it is no such figure.
    """
    if score is None:
        return None
    beta = _figure(score)
    if not 0 <= beta <= EARLY_MOST:  # also what is no number
        raise ValueError("no beta")
    return beta


def read_early(text: str) -> float | None:
    """`on` and `off` as XFetch's beta, or None for `default`, or nothing.

    Raises:
        ValueError: it is another word; the text says so.
    """
    on = _switch(text, "early loads")
    return None if on is None else EARLY_BETA if on else 0.0


def read_local(text: str) -> int | None:
    """`on` and `off` as entries that L1 may hold, or None for `default`, or nothing.

    Raises:
        ValueError: it is another word; the text says so.
    """
    on = _switch(text, "local copies")
    return None if on is None else LOCAL_ENTRIES if on else 0


def read_shared(text: str) -> bool | None:
    """`on`, `off`, or None for `default`, or nothing.

    Raises:
        ValueError: it is another word; the text says so.
    """
    return _switch(text, "shared loads")


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


def _figure(score: Any) -> float:
    """A score as the server tells it; -1, which no field has, for what is none."""
    return float(score) if isinstance(score, bytes | float | int) else -1.0


def _switch(text: str, what: str) -> bool | None:
    word = text.strip().lower()
    if word in {"", DEFAULT}:
        return None
    if word not in {ON, OFF}:
        raise ValueError(f"{what} are `{ON}`, `{OFF}`, or `{DEFAULT}`: as the options of the nodes say")
    return word == ON
