"""Dots in cells: a canvas of 2 × 4 dots a cell that remembers which line owns a cell."""

from __future__ import annotations

_LEFT = (0x01, 0x02, 0x04, 0x40)
_RIGHT = (0x08, 0x10, 0x20, 0x80)
_SIDES = (_LEFT, _RIGHT)
# _MASK[side][top][bottom]: the dots of one half-cell from row `top` to row `bottom`
_MASK = tuple(
    tuple(tuple(sum(side[top : bottom + 1]) for bottom in range(4)) for top in range(4)) for side in _SIDES
)
_UPPER = 0x01 | 0x02 | 0x08 | 0x10
_ASCII = bytes(
    ord(" " if not bits else ":" if bits & _UPPER and bits & ~_UPPER else "'" if bits & _UPPER else ".")
    for bits in range(256)
)


def braille(bits: bytes | bytearray) -> str:
    """One character a byte: the braille pattern with those dots, a blank where there are none."""
    buffer = bytearray(2 * len(bits))  # U+2800 + bits, as UTF-16: a hundred times faster than chr()
    buffer[0::2] = bits
    buffer[1::2] = b"\x28" * len(bits)
    return buffer.decode("utf-16-le").replace("\u2800", " ")


def dotless(bits: bytes | bytearray) -> str:
    """The same in ASCII: `'` upper half, `.` lower half, `:` both."""
    return bits.translate(_ASCII).decode("ascii")


class Canvas:
    """`width` × `height` cells of dots; `bits` and `owner` have one bytearray a row."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.bits = [bytearray(width) for _ in range(height)]
        self.owner = [bytearray(width) for _ in range(height)]

    def bar(self, column: int, top: int, bottom: int, owner: int) -> None:
        """Set the dots of one dot column from row `top` to row `bottom` (both inside, top <= bottom)."""
        cell, side = column >> 1, column & 1
        masks = _MASK[side]
        first, last = top >> 2, bottom >> 2
        if first == last:
            self.bits[first][cell] |= masks[top & 3][bottom & 3]
            self.owner[first][cell] = owner
            return
        self.bits[first][cell] |= masks[top & 3][3]
        self.owner[first][cell] = owner
        full = masks[0][3]
        for row in range(first + 1, last):
            self.bits[row][cell] |= full
            self.owner[row][cell] = owner
        self.bits[last][cell] |= masks[0][bottom & 3]
        self.owner[last][cell] = owner

    def texts(self, ascii_: bool = False) -> list[str]:
        """The rows as text."""
        write = dotless if ascii_ else braille
        return [write(row) for row in self.bits]
