"""PostgreSQL 15 and later (14 works), primaries and standbys, read with one round trip a look."""

from perftui.backends.postgres.backend import Postgres
from perftui.model.options import PostgresOptions

__all__ = ["Postgres", "PostgresOptions"]
