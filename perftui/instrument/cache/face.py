"""The cache a service uses, over whatever tiers there are."""

from __future__ import annotations

from perftui.instrument.cache.reading import Reading
from perftui.instrument.cache.writing import Writing


class Cache(Reading, Writing):
    """A named cache of one process, with L1, L2 and edge as they are given; any of them may be left out.

    Args:
        name: the namespace; its keys in L2 begin with `name:`. No name may be the beginning of another's.
        l1: entries L1 holds, a Memory, or None for no L1.
        l2: a URL (store.open_store), a Store, or None.
        backplane: notices between nodes where L2 does not pass tracking on.
        lock: one loader over all processes; with an L2 there is one unless you give another.
        source, writer: where values come from and go to when no loader is passed, and for `write`.
        edge: told of every removal.
        serializer, sealer: how values are written, and sealed for L2; MessagePack, LZ4 from 1 KiB on.
        clock: what entries live by.
        defaults: what holds where a call says nothing else.
        copy: "never" hands out the value itself; "mutable" a deep copy of what could be changed.
        enabled: False loads each time and stores nothing.
        listen: False hears nothing from other nodes.
        publish: put what is counted into L2 every 2 s, for the console.
        writes: for `write(..., how="behind")`; started by you, closed with the cache.
        curve: sample which keys are asked for, so that `stats()` tells what an L1 of another size would miss.
        pages: entries lend their tags and lives to the responses of `edge.EdgeHeaders`.

    With an L2 it is to be made where the event loop runs.
    """
