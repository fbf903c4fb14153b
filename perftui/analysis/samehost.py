"""Whether two servers stand on one host, as far as their addresses say."""

from __future__ import annotations

LOOPBACK = frozenset({"::1", "localhost"})


def host_of(address: str) -> str:
    """The host of host:port; empty for a socket's path."""
    return address.rpartition(":")[0].strip("[]")


def loopback(host: str) -> bool:
    """Whether it is whatever host one stands on."""
    return host in LOOPBACK or host.startswith("127.")


def same_host(at: str, other: str) -> bool:
    """Whether the server that is reached at `at` and the `other` one that it names share a host.

    What is reached by loopback is on the host of whoever asks: a lab, where sharing it means nothing.
    """
    mine, theirs = host_of(at), host_of(other)
    if not mine or not theirs or loopback(mine):
        return False
    return mine == theirs or loopback(theirs)
