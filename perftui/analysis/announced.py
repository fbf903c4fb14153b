"""How many elements a server's replies announce, counted before a parser makes room for them.

Source of the framing: https://valkey.io/topics/protocol. A header of 13 bytes may announce two thousand
million elements: hiredis makes a list of that length when it reads it, and to let go of it takes a second for
each hundred million. Replies are a flat row of headers, whatever is nested in them: no stack is needed.
"""

from __future__ import annotations

from typing import Final

MOST: Final = 1 << 22  # elements announced and not there yet: 32 MiB of pointers, 30 ms to let go of
LINE: Final = 1 << 20  # bytes of a header, a status or an error
_BULK: Final = ord("$")
_BULKS: Final = frozenset(b"=!")
_LISTS: Final = frozenset(b"*~>")
_MAPS: Final = frozenset(b"%|")


class Announced:
    """Follows one connection's bytes, in whatever pieces they come."""

    __slots__ = ("_due", "_rest", "_skip")

    def __init__(self) -> None:
        self._due = 0  # elements of the present reply that are announced and were not seen
        self._rest = b""  # the beginning of a header
        self._skip = 0  # bytes of a value that are still to come

    def see(self, data: bytes) -> None:
        """What comes next.

        Raises:
            ValueError: it announces too much, or is no such protocol.
        """
        if self._rest:
            data, self._rest = self._rest + data, b""
        at, size, due = self._skip, len(data), self._due
        find = data.find
        while at < size:
            end = find(b"\n", at)
            if end < 0:
                self._rest = data[at:]
                if size - at > LINE:
                    raise ValueError(f"a line of more than {LINE} bytes")
                at = size
                break
            if due:
                due -= 1
            kind = data[at]
            if kind == _BULK or kind in _BULKS:
                length = int(data[at + 1 : end])
                at = end + 1 if length < 0 else end + 3 + length
                continue
            if kind in _LISTS or kind in _MAPS:
                count = int(data[at + 1 : end])
                due += max(0, count * 2 if kind in _MAPS else count)
                if due > MOST:
                    raise ValueError(f"a reply of more than {MOST} elements")
            at = end + 1
        self._skip, self._due = at - size, due
