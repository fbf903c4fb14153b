"""Where a cache's tags are in its server, for the library and the console alike.

The key `NAMESPACE:__tag:TAG` holds 12 bytes: 6 that `expire` and `remove` change, then 6 that `remove` alone
does. An entry carries both as they were when its load began; one that carries others is as if it were gone.
"""

from __future__ import annotations

from typing import Final

TAG: Final = ":__tag:"
OWN: Final = ":__"
"""What begins, behind the namespace, every key that is no entry: tags and leases."""
TOKEN: Final = 6  # bytes of each half
LIFE: Final = 30 * 86400.0  # seconds of a tag's key
EVERYTHING: Final = "*"  # the tag every entry has


def tag_key(namespace: str, tag: str) -> bytes:
    """Where a tag's tokens are: 6 bytes changed by expire and remove, then 6 changed by remove alone."""
    return f"{namespace}{TAG}{tag}".encode("utf-8", "surrogatepass")
