"""Where our own series are pushed to, where nobody can scrape us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def _option(default: Any, help_: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help_, **more})


@dataclass(frozen=True, slots=True)
class RemoteWriteSettings:
    """Remote-write 1.0 of what `/metrics` tells, by the agent (or a console with `--metrics`)."""

    url: str = _option(
        "", "Where to, such as https://prometheus.internal/api/v1/write; empty: nowhere.", url=True
    )
    every: float = _option(15.0, "Seconds between two pushes.")
    token: str = _option("", "Bearer token it wants.", secret=True)
    user: str = _option("", "User it wants (basic login).")
    password: str = _option("", "That user's password.", secret=True)
    tenant: str = _option("", "Sent as X-Scope-OrgID, for servers of several tenants.")
    labels: Mapping[str, str] = field(
        default_factory=dict, metadata={"help": "Labels that every series gets, such as its region."}
    )

    def __post_init__(self) -> None:
        if not 1 <= self.every <= 3600:
            raise ValueError("`every` is 1 to 3600 s")
        if self.token and self.user:
            raise ValueError("either `token` or `user`, not both")
