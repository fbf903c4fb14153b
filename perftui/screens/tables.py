"""A table on the screen as CSV and JSON, by the same rules as every other export."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from perftui.draw.clean import inert
from perftui.export import csv, json

LONGEST_ESCAPE = 10


def csv_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """RFC 4180 with a header; text that a spreadsheet would take for a formula gets a quote before it.

    What cannot be seen is an escape, whole: names come from anybody, and a file is shown on terminals too.
    """
    out = io.StringIO(newline="")
    csv.table(out, header, ([_visible(cell) for cell in row] for row in rows))
    return out.getvalue()


def _visible(value: Any) -> Any:
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    return inert(text, LONGEST_ESCAPE * len(text) + 1) if isinstance(text, str) else text


def json_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """One object a row, keyed by the header."""
    return json.dumps([dict(zip(header, row, strict=False)) for row in rows]) + "\n"


def ndjson_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The same objects, one a line."""
    return "".join(json.dumps(dict(zip(header, row, strict=False)), indent=None) + "\n" for row in rows)
