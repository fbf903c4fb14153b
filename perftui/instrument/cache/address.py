"""Where a cache server is and how to log in there, as a URL says it; secrets may be references."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from perftui.model.errors import ConfigError, Refused

PORT, SENTINEL_PORT = 6379, 26379
_REFERENCE = re.compile(r"env:([A-Za-z_]\w*)\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """A server and a login. Its password is in no text of it."""

    host: str = "127.0.0.1"
    port: int = PORT
    path: str = ""  # of a unix socket, in place of host and port
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    tls: bool = False
    verify: bool = True
    authority: str = ""  # a file with the certificates to trust, in place of the system's
    certificate: str = ""  # a file with our own certificate and key

    @property
    def name(self) -> str:
        """host:port, or the socket's path."""
        return self.path or f"{self.host}:{self.port}"

    def context(self) -> ssl.SSLContext:
        """How TLS is spoken with it.

        Raises:
            Refused: a certificate's file cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.authority or None)
            if self.certificate:
                context.load_cert_chain(self.certificate)
        except (OSError, ssl.SSLError) as error:
            raise Refused(f"{self.name}: its certificate files cannot be read: {error.strerror}") from None
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def secret(text: str) -> str:
    """What a URL's part stands for: `env:NAME` is an environment variable, anything else itself, unquoted.

    Raises:
        ConfigError: there is no such variable.
    """
    reference = _REFERENCE.match(text)
    if reference is None:
        return unquote(text)
    value = os.environ.get(reference[1])
    if value is None:
        raise ConfigError(f"the environment has no variable {reference[1]}")
    return value


def split(url: str) -> tuple[SplitResult, dict[str, str]]:
    """A URL's parts and its options; the whole may be `env:NAME`.

    Raises:
        ConfigError: it cannot be read.
    """
    text = secret(url) if _REFERENCE.match(url) else url
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ConfigError("this cannot be read as a URL") from None
    return parts, {name: values[-1] for name, values in parse_qs(parts.query).items()}


def login(parts: SplitResult, options: dict[str, str], address: Address) -> Address:
    """The address with user, password and TLS of the URL."""
    user, at, _ = parts.netloc.rpartition("@")
    username, _, password = user.partition(":") if at else ("", "", "")
    return replace(
        address,
        username=unquote(username),
        password=secret(password),
        tls=parts.scheme.startswith(("rediss", "valkeys")),
        verify=options.get("verify", "yes") != "no",
        authority=options.get("ca", ""),
        certificate=options.get("cert", ""),
    )


def places(netloc: str, port: int = PORT) -> list[tuple[str, int]]:
    """Hosts and ports, parted by commas, after any login.

    Raises:
        ConfigError: one of them is none.
    """
    return [_place(at, port) for at in netloc.rpartition("@")[2].split(",") if at] or [("127.0.0.1", port)]


def number(text: str) -> int:
    """A database's number.

    Raises:
        ConfigError: it is none.
    """
    if not text.isdecimal():
        raise ConfigError(f"{text!r} is no number of a database")
    return int(text)


def _place(place: str, default: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        port = parts.port
    except ValueError:
        raise ConfigError(f"{place!r} is no host and port") from None
    return parts.hostname or "127.0.0.1", port or default
