"""Secrets stay where they are kept; the configuration only says where that is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from perftui.model.errors import ConfigError

HOW = 'write "env:NAME", "file:PATH" or "keyring:service/user"'
_REFERENCE = re.compile(r"(env:[A-Za-z_]\w*|file:.+|keyring:[^/]+/.+)\Z", re.DOTALL)
_MAX_BYTES = 65536
_PARAMETER = re.compile(r"(?i)\b((?:password|passwd)\s*=\s*)('[^']*'|[^\s&;]+)")
# A scheme is short: without a bound, a name of a megabyte (a hostile key) would take minutes.
_USERINFO = re.compile(r"(?P<head>[a-zA-Z][\w+.-]{0,31}://[^\s:/@]*:)[^\s/]*@")
MASK = "••••"


def is_reference(text: str) -> bool:
    """Whether `text` points to a secret instead of being one."""
    return _REFERENCE.match(text) is not None


def carries_password(url: str) -> bool:
    """Whether a URL or connection string has a password written into it."""
    if _PARAMETER.search(url):
        return True
    try:
        return bool(urlsplit(url).password)
    except ValueError:
        return "@" in url


def mask(text: str) -> str:
    """`text` with every password inside a URL or a connection string hidden."""
    return _PARAMETER.sub(rf"\1{MASK}", _USERINFO.sub(rf"\g<head>{MASK}@", text))


def resolve(text: str, place: str) -> str:
    """The value `text` refers to, or `text` itself when it is no reference.

    ConfigError names `place` (file and key) and what is missing, never a value.
    """
    if not is_reference(text):
        return text
    scheme, _, rest = text.partition(":")
    if scheme == "env":
        return _from_environment(rest, place)
    if scheme == "file":
        return _from_file(Path(rest).expanduser(), place)
    return _from_keyring(rest, place)


def _from_environment(name: str, place: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise ConfigError(f"{place}: the environment variable {name} is not set")
    return value


def _from_file(path: Path, place: str) -> str:
    try:
        with path.open("rb") as source:
            raw = source.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise ConfigError(f"{place}: {path} is larger than a secret can be (64 KiB)")
        return raw.decode().rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"{place}: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{place}: {path} is not UTF-8 text") from error


def _from_keyring(rest: str, place: str) -> str:
    service, _, user = rest.partition("/")
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise ConfigError(f"{place}: needs the keyring: pip install 'perftui[keyring]'") from error
    try:
        value = keyring.get_password(service, user)
    except KeyringError as error:
        raise ConfigError(f"{place}: the keyring refused: {error}") from error
    if value is None:
        raise ConfigError(f"{place}: the keyring has no password for {user} at {service}")
    return str(value)
