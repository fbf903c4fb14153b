"""Valkey and Redis servers: one look a second, the keyspace by sampling, purges that can be undone."""

from perftui.backends.valkey.standalone import Valkey
from perftui.model.options import ValkeyOptions

__all__ = ["Valkey", "ValkeyOptions"]
