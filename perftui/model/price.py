"""What perftui itself costs: the machine it runs on, the link to its terminal, and the systems it asks."""

from __future__ import annotations

from dataclasses import dataclass

TOPIC = "price"
SOURCE = "perftui"  # of the series that tell it


@dataclass(frozen=True, slots=True)
class Budget:
    """What it may cost before that is a finding; 0: any amount."""

    cpu_ratio: float = 0.0  # of one core
    rss_bytes: float = 0.0
    terminal_bytes_per_s: float = 0.0
    loop_lag_s: float = 0.0
    wait_ratio: float = 0.0  # seconds of one backend's answering, a second


@dataclass(frozen=True, slots=True)
class SourceCost:
    """What one backend was asked, a second.

    `wait_ratio` is seconds waited for its answers a second: no less than the server worked for us, and
    the way there and back on top. Bytes are those of the connections its reads opened; None: unknown
    (a file, a Unix socket, another system than Linux).
    """

    name: str
    kind: str
    reads_per_s: float
    wait_ratio: float
    mean_s: float | None  # a read
    in_bytes_per_s: float | None = None
    out_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Crowd:
    """A metric of one source that takes many series, and the label with the most values among them."""

    source: str
    name: str
    series: int
    label: str
    values: int


@dataclass(frozen=True, slots=True)
class PriceReport:
    """The price over the last `window` seconds; `terminal_bytes_per_s` None: there is no terminal.

    `loop_lag_s` is how long something due had to wait for its turn, the 99th percentile of four
    looks a second. `series` are those that all backends told at their last read, `most_series` how many are
    remembered; `crowds` the metrics that have the most.
    """

    at: float
    window: float
    cpu_ratio: float
    rss_bytes: float
    loop_lag_s: float
    terminal_bytes_per_s: float | None
    sources: tuple[SourceCost, ...] = ()
    series: int = 0
    most_series: int = 0
    crowds: tuple[Crowd, ...] = ()
