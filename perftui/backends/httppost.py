"""HTTP for the senders of notices: one client, short deadlines, small answers, no surprises."""

from __future__ import annotations

import asyncio
import email.utils
import time
from typing import Any, ClassVar

from perftui.model.notify import Reply, Request

WAIT = 5.0
LONGEST = 3600.0  # seconds of a Retry-After that we believe


class HttpPost:
    """Makes requests; whatever happens outside becomes a Reply."""

    libraries: ClassVar[tuple[str, ...]] = ("httpx",)

    def __init__(self, wait: float = WAIT) -> None:
        self._wait = wait
        self._client: Any = None
        self._making = asyncio.Lock()

    async def __call__(self, request: Request) -> Reply:
        """The answer, or why there is none; never follows a redirect with our keys."""
        import httpx

        await self.ready()
        login = httpx.BasicAuth(request.user, request.password) if request.user else None
        try:
            async with (
                asyncio.timeout(self._wait),
                self._client.stream(
                    request.method,
                    request.url,
                    content=request.body,
                    headers=dict(request.headers),
                    auth=login,
                ) as answer,
            ):
                body = bytearray()
                async for piece in answer.aiter_bytes(8192):
                    body += piece
                    if len(body) >= request.most:
                        break
                taken = bytes(body[: request.most])
                return Reply(answer.status_code, taken, _after(answer.headers.get("retry-after", "")))
        except (TimeoutError, httpx.TimeoutException):
            return Reply(0, error=f"no answer in {self._wait:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            return Reply(0, error=f"{type(error).__name__}: {error}"[:200])

    async def ready(self) -> None:
        """Make the client, once."""
        if self._client is None:
            async with self._making:
                self._client = self._client or await asyncio.to_thread(self._made)

    def _made(self) -> Any:
        """A client; reading the system's certificates takes too long for the loop."""
        import httpx

        limits = httpx.Limits(max_connections=16, keepalive_expiry=30)
        return httpx.AsyncClient(timeout=self._wait, limits=limits, trust_env=True)

    async def close(self) -> None:
        """Let go of the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _after(text: str) -> float:
    """Retry-After in seconds, given as such or as a date; 0 when it says nothing usable."""
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (TypeError, ValueError):
            return 0.0
    return min(max(0.0, wait), LONGEST)  # a NaN loses against 0.0
