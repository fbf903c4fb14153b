"""What every server can be asked by itself, whether it stands alone or among others."""

from __future__ import annotations

from perftui.backends.valkey.clients import ClientPowers
from perftui.backends.valkey.configuration import ConfigPowers
from perftui.backends.valkey.memorypowers import MemoryPowers
from perftui.backends.valkey.tuning import TunePowers


class ServerPowers(ConfigPowers, ClientPowers, TunePowers, MemoryPowers):
    """All powers of `perftui.model.serverports`."""
