"""L2 on one server, and the choice of a store by its URL."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from hashlib import sha1
from typing import Any, Protocol, TypeVar

from perftui.instrument.cache.address import SENTINEL_PORT, Address, login, number, places, secret, split
from perftui.instrument.cache.node import Greeting, Node
from perftui.instrument.cache.ports import LinkChange, LinkEvent, Store
from perftui.instrument.cache.resp import Answered, Parts
from perftui.model.errors import ConfigError

# Byte by byte: Lua compares strings by the server's locale.
PUT_IF_NEWER = """
local had, new = redis.call('GETRANGE', KEYS[1], 0, 19), ARGV[1]
if #had == 20 and string.sub(had, 1, 2) == string.sub(new, 1, 2) then
  for i = 5, 20 do
    local a, b = string.byte(had, i), string.byte(new, i)
    if a ~= b then
      if a > b then return 0 end
      break
    end
  end
end
if ARGV[2] == '0' then redis.call('SET', KEYS[1], new)
else redis.call('SET', KEYS[1], new, 'PX', ARGV[2]) end
return 1"""
_DIGEST = sha1(PUT_IF_NEWER.encode(), usedforsecurity=False).hexdigest()
LABEL = "perftui-cache"
T = TypeVar("T")
Reply = Coroutine[Any, Any, T]  # handed on as it is where one more coroutine would cost as much as the rest


class Told:
    """Who hears of links: watchers come and go while events are told."""

    def __init__(self) -> None:
        self._watchers: list[Callable[[LinkEvent], None]] = []

    def __call__(self, event: LinkEvent) -> None:
        """Tell all."""
        for told in tuple(self._watchers):
            told(event)

    def add(self, told: Callable[[LinkEvent], None], up: Sequence[str]) -> Callable[[], None]:
        """One more; it hears of those that are up now."""
        self._watchers.append(told)
        for node in up:
            told(LinkEvent(LinkChange.UP, node))

        def remove() -> None:
            if told in self._watchers:
                self._watchers.remove(told)

        return remove


def milliseconds(life: float | None) -> int:
    """A life for PX; 0 stands for one without end."""
    return 0 if life is None else max(1, round(life * 1000))


class SingleStore:
    """One server behind `Node`."""

    def __init__(self, address: Address, label: str = LABEL) -> None:
        self._told = Told()
        self._greetings: list[Greeting] = []
        self.node = Node(address, self._told, self._greetings, label)

    def call(self, parts: Parts, within: float | None = None, *, again: bool = False) -> Reply[Any]:
        """Send a command and wait for its reply; `again`: it may be sent twice."""
        return self.node.call(parts, within, again=again)

    def get(self, key: bytes, *, within: float | None = None) -> Reply[bytes | None]:
        """The value, or None."""
        return self.call((b"GET", key), within, again=True)

    async def get_many(self, keys: Sequence[bytes], *, within: float | None = None) -> list[bytes | None]:
        """One answer a key, in order."""
        if not keys:
            return []
        found: list[bytes | None] = await self.call((b"MGET", *keys), within, again=True)
        return found

    async def put(self, key: bytes, value: bytes, life: float | None, *, within: float | None = None) -> None:
        """Store for `life` seconds; None: for good."""
        px = (b"PX", milliseconds(life)) if life is not None else ()
        await self.call((b"SET", key, value, *px), within, again=True)

    async def put_if_newer(
        self, key: bytes, value: bytes, life: float | None, *, within: float | None = None
    ) -> bool:
        """Store unless what is there has a later stamp; whether it did."""
        return bool(await run_script(self, key, value, life, within))

    async def command(self, *parts: bytes | str | float, key: bytes, within: float | None = None) -> Any:
        """Any command."""
        return await self.call(parts, within)

    def now(self) -> float:
        """The server's clock, as estimated here."""
        offset = self.node.offset
        return time.time() if offset is None else time.monotonic() + offset

    def watch(self, told: Callable[[LinkEvent], None]) -> Callable[[], None]:
        """Be told of the link."""
        return self._told.add(told, [self.node.address.name] if self.node.connected else [])

    def greet(
        self, *parts: bytes | str, answered: Callable[[str, Exception | None], None] | None = None
    ) -> None:
        """A command each connection sends first."""
        greeting = Greeting(parts, answered)
        self._greetings.append(greeting)
        self.node.greet(greeting)

    async def close(self) -> None:
        """Let go; twice is harmless."""
        await self.node.close()


class Calls(Protocol):
    """A store, or whatever finds the node of one key."""

    def call(self, parts: Parts, within: float | None = None, *, again: bool = False) -> Awaitable[Any]:
        """Send a command and wait for its reply."""


async def run_script(at: Calls, key: bytes, value: bytes, life: float | None, within: float | None) -> Any:
    """`put_if_newer` on a node that may not know the script yet."""
    px = milliseconds(life)
    try:
        return await at.call((b"EVALSHA", _DIGEST, 1, key, value, px), within, again=True)
    except Answered as error:
        if error.code != "NOSCRIPT":
            raise
    return await at.call((b"EVAL", PUT_IF_NEWER, 1, key, value, px), within, again=True)


def open_store(url: str, *, label: str = LABEL) -> Store:
    """The store a URL names. Nothing is connected before the first command.

    `redis://[[user]:password@]host[:port][/db]`, `rediss://` with TLS, `unix://[:password@]/path[?db=1]`,
    `redis+cluster://host:port,host:port`, `redis+sentinel://host:port,host:port/NAME[/db]`,
    `redis+region://host:port,host:port[/db]` for a server and its replica elsewhere; `valkey` in place of
    `redis` is the same. A password, or the whole, may be `env:NAME`. Options of TLS: `?ca=FILE` trusts
    these certificates alone, `?cert=FILE` holds our own and its key, `?verify=no` believes anybody. Sentinels
    with a password of their own: `?sentinel_password=env:NAME`.

    Raises:
        ConfigError: it is none of these.
    """
    parts, options = split(url)
    kind = parts.scheme.replace("valkey", "redis")
    if kind == "unix":
        at = Address(path=parts.path, database=number(options.get("db", "0")))
        return SingleStore(login(parts, options, at), label)
    if kind in {"redis", "rediss"}:
        host, port = places(parts.netloc)[0]
        at = Address(host, port, database=number(parts.path.strip("/") or "0"))
        return SingleStore(login(parts, options, at), label)
    if kind in {"redis+cluster", "rediss+cluster"}:
        from perftui.instrument.cache.cluster import ClusterStore

        seeds = [login(parts, options, Address(*place)) for place in places(parts.netloc)]
        return ClusterStore(seeds, label)
    if kind in {"redis+sentinel", "rediss+sentinel"}:
        from perftui.instrument.cache.sentinel import SentinelStore

        name, _, database = parts.path.strip("/").partition("/")
        if not name:
            raise ConfigError("which group? redis+sentinel://host:port/NAME")
        group = login(parts, options, Address(database=number(database or "0")))
        password = secret(options.get("sentinel_password", ""))
        return SentinelStore(places(parts.netloc, SENTINEL_PORT), name, group, label, password)
    if kind in {"redis+region", "rediss+region"}:
        from perftui.instrument.cache.region import RegionStore

        regions = places(parts.netloc)
        if len(set(regions)) < 2:
            raise ConfigError("which regions? redis+region://host:port,host:port")
        common = Address(database=number(parts.path.strip("/") or "0"))
        both = [replace(common, host=host, port=port) for host, port in regions]
        return RegionStore([login(parts, options, at) for at in both], label)
    known = "redis://, rediss://, unix://, redis+cluster://, redis+sentinel://, redis+region://"
    raise ConfigError(f"{parts.scheme}:// is no cache: {known}")
