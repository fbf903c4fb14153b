"""What PostgreSQL and the wire can say against us, told as the house's own errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from perftui.draw.clean import inert
from perftui.model.errors import BackendError, Lost, Protocol, Refused, Unsupported

_LOGIN = ("28", "3D")  # invalid authorization, no such database
_RETRY = ("53", "57", "58", "08", "55")  # resources, intervention, system, connection, not in state
_DENIED = "42501"


@contextmanager
def told(where: str) -> Iterator[None]:
    """Run the body; whatever it raises leaves as Lost, Refused, Unsupported or Protocol.

    `where` names the server without any secret. A timeout counts as Lost.
    """
    import asyncpg

    try:
        yield
    except asyncpg.PostgresError as error:
        raise from_server(where, error) from None
    except TimeoutError:
        raise Lost(f"{where} did not answer in time") from None
    except asyncpg.ClientConfigurationError as error:
        raise Refused(f"{where}: {_line(error)}") from None
    except asyncpg.InterfaceError as error:
        raise Lost(f"{where}: {_line(error)}") from None
    except asyncpg.ProtocolError as error:
        raise Protocol(f"{where} answered something unreadable: {_line(error)}") from None
    except asyncpg.InternalClientError as error:  # a connection that broke between two of our steps
        raise Lost(f"{where}: {_line(error)}") from None
    except (OSError, EOFError) as error:
        raise Lost(f"{where}: {_reason(error)}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Protocol(f"{where} answered something unreadable: {_line(error)}") from None


@asynccontextmanager
async def within(where: str, seconds: float) -> AsyncIterator[None]:
    """Run the body for at most `seconds`; past them it is Lost, other trouble as in `told`."""
    with told(where):
        async with asyncio.timeout(seconds):
            yield


def from_server(where: str, error: Exception) -> BackendError:
    """Our error for an error message of the server, by its SQLSTATE."""
    state = getattr(error, "sqlstate", None) or ""
    message = _line(error)
    if state.startswith(_LOGIN):
        return Refused(f"{where}: {message}")
    if state == _DENIED:
        return Refused(f"{where}: {message}; grant it, then retry")
    if state == "57014":
        return Lost(f"{where}: stopped by its time limit ({message})")
    if state == "55P03":
        return Lost(f"{where}: waited too long for a lock ({message})")
    if state.startswith(_RETRY):
        return Lost(f"{where}: {message}")
    return Unsupported(f"{where}: {message}")


def _line(error: Exception) -> str:
    return inert(" ".join(str(error).split()), 300) or type(error).__name__


def _reason(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return inert(str(strerror)) if strerror else _line(error)
