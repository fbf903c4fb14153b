"""Pages at the edge that purged entries were in: told to whoever relays, where a cache has such a queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.errors import BackendError
from perftui.model.purgequeue import PurgeQueue, edge_tag, key_tag, many_tag, whole_tag
from perftui.model.tagtokens import EVERYTHING

MOST: Final = 10_000  # keys of a cache that are told by name; more of them concern all its pages


class Edges:
    """What goes from caches whose services queue their own removals for the edge in the same server.

    `look` first: without such a queue nobody relays, and nothing is told.
    """

    def __init__(self, power: Any) -> None:
        self._power = power if isinstance(power, PurgeQueue) else None
        self._names: tuple[str, ...] = ()
        self._tags: dict[str, dict[str, None]] = {}

    async def look(self) -> None:
        """Which caches have a queue; a server that does not say has none."""
        if self._power is None:
            return
        try:
            names: Sequence[str] = await self._power.purge_queues()
        except BackendError:
            return
        self._names = tuple(sorted(names, key=len, reverse=True))  # of two that fit the longer

    def of(self, key: bytes) -> str | None:
        """The cache whose entry this is."""
        return next((name for name in self._names if key.startswith(_prefix(name))), None)

    def gone(self, keys: Iterable[bytes]) -> None:
        """Entries that are no more there."""
        for key in keys if self._names else ():
            name = self.of(key)
            if name is None:
                continue
            try:
                entry = key[len(_prefix(name)) :].decode("utf-8", "surrogatepass")
            except UnicodeDecodeError:  # somebody else's: names of entries are text
                continue
            tags = self._tags.setdefault(name, {})
            if len(tags) < MOST:
                tags[key_tag(name, entry)] = None
            else:
                tags[whole_tag(name)] = None

    def removed(self, namespace: str, tags: Sequence[str]) -> None:
        """Entries that have one of these tags are no more current."""
        if namespace in self._names:
            whole = EVERYTHING in tags
            made = [whole_tag(namespace)] if whole else map(edge_tag, tags)
            self._tags.setdefault(namespace, {}).update(dict.fromkeys(made))

    async def tell(self) -> str:
        """Queue it, and say so in a sentence; '' where there is nothing to tell, or nobody to be told."""
        told = 0
        for name, tags in self._tags.items():
            whole = whole_tag(name)
            words = [whole] if whole in tags else [*tags, many_tag(name)]
            try:
                told += await self._power.queue_purge(name, words)  # type: ignore[union-attr]
            except BackendError as error:
                does = f"`perftui cdn purge --tag {whole}` does it"
                return f"the edge was not told ({inert(str(error), 120)}): {does}"
        self._tags = {}
        return f"{fmt.many(told, 'purge')} queued for the edge (`perftui cdn relay`)" if told else ""


def _prefix(namespace: str) -> bytes:
    return f"{namespace}:".encode("utf-8", "surrogatepass")
