"""A table on the screen as CSV and JSON, by the same rules as every other export."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from perftui.export import csv, json


def csv_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """RFC 4180 with a header; text that a spreadsheet would take for a formula gets a quote before it."""
    out = io.StringIO(newline="")
    csv.table(out, header, rows)
    return out.getvalue()


def json_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """One object a row, keyed by the header."""
    return json.dumps([dict(zip(header, row, strict=False)) for row in rows]) + "\n"


def ndjson_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The same objects, one a line."""
    return "".join(json.dumps(dict(zip(header, row, strict=False)), indent=None) + "\n" for row in rows)
