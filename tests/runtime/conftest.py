"""Stores for the runtime's tests."""

from __future__ import annotations

from tests.runtime.storelaws import postgres_url, sqlite_url, store

__all__ = ["postgres_url", "sqlite_url", "store"]
