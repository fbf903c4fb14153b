"""What came since a screen was drawn last: all of it, or some topics."""

from __future__ import annotations


class WithNews:
    """Remembers what is new to draw; at first nothing is."""

    def __init__(self) -> None:
        super().__init__()
        self._news: set[str] | None = set()  # None: everything

    @property
    def fresh(self) -> bool:
        """Whether there is anything new to draw."""
        return self._news is None or bool(self._news)

    @fresh.setter
    def fresh(self, everything: bool) -> None:
        self._news = None if everything else set()

    def came(self, topic: str) -> None:
        """A frame of this topic is there."""
        if self._news is not None:
            self._news.add(topic)

    def take_news(self) -> set[str] | None:
        """The topics that are new, None where everything is to be drawn; from now on nothing is."""
        news, self._news = self._news, set()
        return news
