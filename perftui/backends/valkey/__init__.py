"""Valkey and Redis servers: one look a second, the keyspace by sampling, purges that can be undone."""

from perftui.backends.valkey.standalone import Valkey, ValkeyOptions

__all__ = ["Valkey", "ValkeyOptions"]
