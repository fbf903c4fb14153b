"""What goes wrong while httpx asks a system, as errors of this house: one place for all who ask by HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from perftui.model.errors import Lost, Protocol, Refused, Unsupported
from perftui.model.reading import apart

if TYPE_CHECKING:
    import ssl

GRAIN = 1.0  # seconds: a `Date` tells whole ones


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
    except (httpx.HTTPError, OSError) as error:  # TLS 1.3 refuses a client after its first request: raw
        raise Lost(f"{name}: cannot reach {where}: {type(error).__name__}") from error


def trust(name: str, ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    """Whom an https client believes, and who it is; Refused where a file cannot be used. Reads a disk."""
    import ssl

    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        if cert_file:
            context.load_cert_chain(cert_file, key_file or None)
    except OSError as error:
        raise Refused(f"{name}: a certificate file cannot be used: {error}") from error
    return context


def clock_of(headers: Mapping[str, str], asked: float, took: float) -> float | None:
    """Seconds the answerer's clock is ahead, by its `Date`; None without one, or from a cache (`Age`)."""
    from email.utils import parsedate_to_datetime

    try:
        told = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, OverflowError):  # the latter for a number that no C integer holds
        return None
    if "age" in headers or told.tzinfo is None:
        return None
    return apart(told.timestamp(), asked, took, GRAIN)
