"""What the console must be told of caches: what is expected of them, and what their memory costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite

from perftui.model.failoverbudget import BUDGET
from perftui.model.keydumps import CAP


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """What is expected of caches, and what no server knows of them."""

    failover_budget: float = field(
        default=BUDGET,
        metadata={
            "help": "Seconds that writes may fail in a rehearsed failover at a node timeout of 0.5 s;"
            " in proportion at another one. Behind sentinels: at a down-after of 0.5 s, 1.5 s more; with"
            " another one, as much more or less."
        },
    )
    price_per_gb: float = field(
        default=0.0,
        metadata={
            "help": "What a GB (10^9 bytes) of a cache's memory costs, to tell sizes in money; 0: not known."
        },
    )
    currency: str = field(
        default="", metadata={"help": "What that price is in, such as EUR a month; only shown."}
    )
    quarantine_bytes: int = field(
        default=CAP,
        metadata={
            "help": "Bytes a file of purged keys may take (`cache purge --quarantine`), where it stops."
        },
    )

    def __post_init__(self) -> None:
        if not 0.05 <= self.failover_budget <= 600:
            raise ValueError("`failover_budget` is 0.05 to 600 s")
        if not (isfinite(self.price_per_gb) and 0 <= self.price_per_gb < 1e9):
            raise ValueError("`price_per_gb` is 0 (none) or a price below a billion")
        if not 4096 <= self.quarantine_bytes < 1 << 60:
            raise ValueError("`quarantine_bytes` is 4096 or more")
        if len(self.currency) > 20:
            raise ValueError("`currency` has 20 characters at most")
