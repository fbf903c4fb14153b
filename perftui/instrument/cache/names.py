"""The names a namespace's keys have in L2; one place, for the console reads them too."""

from __future__ import annotations

from typing import Final

from perftui.model import tagtokens

EVERYTHING: Final = tagtokens.EVERYTHING  # removing by it is `clear`
TAG, LEASE = tagtokens.TAG, ":__lease:"
_OWN: Final = (TAG[1:], LEASE[1:])
_MORE: Final = "\\"  # before a key that would be taken for one of these
_ODD: Final = ("_", _MORE)
tag_key = tagtokens.tag_key


def value_key(namespace: str, key: str) -> bytes:
    """Where the entry `key` is: in its own place, also where it is called as a tag or a lease is."""
    if key[:1] in _ODD and key.lstrip(_MORE).startswith(_OWN):
        key = _MORE + key
    return f"{namespace}:{key}".encode("utf-8", "surrogatepass")


def entry_of(name: str) -> str:
    """The key whose entry is at this name, without the namespace; the other way of `value_key`."""
    return name[1:] if name[:1] == _MORE and name.lstrip(_MORE).startswith(_OWN) else name


def lease_key(namespace: str, key: str) -> bytes:
    """Where the owner of a running load names itself."""
    return f"{namespace}{LEASE}{key}".encode("utf-8", "surrogatepass")


def canary_key(namespace: str) -> bytes:
    """Where the staleness meter writes: what is told of it concerns no entry, as with a lease."""
    return lease_key(namespace, "__canary")


def node_key(namespace: str, node: str) -> bytes:
    """Where a node publishes what it counted; outside of what invalidation watches."""
    return f"__node:{namespace}:{node}".encode("utf-8", "surrogatepass")


def stream_key(namespace: str, what: str) -> bytes:
    """A stream: `writes` (write-behind), `purges` (to the edge), `relay` (to another region)."""
    return f"__{what}:{namespace}".encode("utf-8", "surrogatepass")


def channel(namespace: str) -> bytes:
    """The channel of the publish/subscribe backplane."""
    return f"__cache:{namespace}".encode("utf-8", "surrogatepass")
