"""perftui: a terminal console for the performance of a running platform."""

__version__ = "0.1.0"
