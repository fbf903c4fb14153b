"""The part of a Store that sends commands, on another client than our own, to the primary among some servers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from redis import exceptions as redis_errors

from perftui.model.errors import Lost, Protocol, Refused


class RedisStore:
    """`command` and `now`; whoever says it is the primary is asked, and looked for again when it is lost."""

    def __init__(self, *servers: Any, timeout: float = 1.0) -> None:
        self._servers = servers
        self._timeout = timeout
        self._client: Any = None
        self._lock, self._one = asyncio.Lock(), asyncio.Lock()

    def now(self) -> float:
        return time.time()

    async def command(self, *parts: Any, key: bytes, within: float | None = None) -> Any:
        try:
            async with asyncio.timeout(within or self._timeout):
                client = await self._primary()
                async with self._one:
                    # what was begun on a connection is not sent on another: WAIT speaks of its own
                    if client is not self._client or not client.connection.is_connected:
                        raise Lost("the connection broke")
                    return await client.execute_command(*parts)
        except (redis_errors.ConnectionError, redis_errors.TimeoutError, TimeoutError, OSError) as error:
            await self.close()
            raise Lost(f"no answer: {error}") from error
        except redis_errors.NoPermissionError as error:
            raise Refused(str(error)) from error
        except redis_errors.ReadOnlyError as error:
            await self.close()
            raise Lost(f"no primary any more: {error}") from error
        except redis_errors.ResponseError as error:
            raise Protocol(str(error)) from error

    async def _primary(self) -> Any:
        async with self._lock:
            for server in self._servers if self._client is None else ():
                client = server.client(self._timeout).client()
                try:
                    # as hiredis gives them to our own store: bytes, nothing turned into Python's types
                    client.response_callbacks.clear()
                    if (await client.execute_command("ROLE"))[0] == b"master":
                        self._client = client
                        break
                except (redis_errors.RedisError, OSError):
                    pass
                await client.aclose()
            if self._client is None:
                raise Lost("none of them is a primary")
            return self._client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.aclose()
            except (redis_errors.RedisError, OSError):
                pass
