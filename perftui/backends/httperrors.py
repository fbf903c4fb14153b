"""What goes wrong while httpx asks a system, as errors of this house: one place for all who ask by HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from perftui.model.errors import Lost, Protocol, Unsupported


@asynccontextmanager
async def bounded(name: str, where: str, seconds: float) -> AsyncIterator[None]:
    """A deadline of `seconds` around calls of the client, whose errors become ours.

    `name` is the backend's, `where` the address without a user and password. No answer in time and no
    connection are Lost, what is not HTTP is Protocol, what no client could ask is Unsupported.
    """
    import httpx

    try:
        async with asyncio.timeout(seconds):
            yield
    except (TimeoutError, httpx.TimeoutException) as error:
        raise Lost(f"{name}: no answer from {where} in time") from error
    except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
        raise Protocol(f"{name}: {where} does not speak HTTP") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise Unsupported(f"{name}: {where!r} is no http address") from error
    except httpx.HTTPError as error:
        raise Lost(f"{name}: cannot reach {where}: {type(error).__name__}") from error
