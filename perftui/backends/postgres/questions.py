"""The SQL we ask, one file a question and server version, and how several make one round trip."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "sql"
MARK = "/* perftui */"  # kept by pg_stat_statements inside a statement, so ours leave the rankings

_NAME = re.compile(r"(?<!:):([a-z_]+)")
_ACTIVITY_ORDER = (
    "order by (b.state = 'active') desc nulls last, b.xact_age desc nulls last, b.started limit 500"
)


@cache
def text(question: str, version: int) -> str:
    """The file of `question` for a server (`server_version_num`): the newest not above it."""
    best, chosen = -1, FOLDER / f"{question}.sql"
    for path in FOLDER.glob(f"{question}.*.sql"):
        major = int(path.name.split(".")[1])
        if best < major <= version // 10000:
            best, chosen = major, path
    return chosen.read_text(encoding="utf-8").strip()


def marked(sql: str) -> str:
    """`sql` with our mark after its first select."""
    return sql.replace("select", f"select {MARK}", 1)


def ours(text: str) -> bool:
    """Whether a statement of the server's records is one of ours."""
    return MARK in text[:200]


def bound(sql: str, inline: Mapping[str, str], names: tuple[str, ...] = ()) -> str:
    """`sql` with `:name` replaced: trusted text from `inline`, or `$n` by place in `names`."""

    def place(match: re.Match[str]) -> str:
        name = match.group(1)
        return inline[name] if name in inline else f"${names.index(name) + 1}"

    return _NAME.sub(place, sql)


def batch(questions: Iterable[str], version: int, inline: Mapping[str, str]) -> str:
    """One statement that answers all `questions`, each as a JSON array in a column of its name."""
    columns = []
    for question in questions:
        sql = text(question, version)
        if question == "activity":
            sql = f"select * from (\n{sql}\n) b {_ACTIVITY_ORDER}"  # noqa: S608 - our own files
        columns.append(f"(select json_agg(q) from (\n{sql}\n) q) as {question}")  # noqa: S608
    return bound(f"select {MARK}\n" + ",\n".join(columns), inline)


def single(
    question: str, version: int, names: tuple[str, ...], inline: Mapping[str, str] | None = None
) -> str:
    """One question by itself, its `:name`s bound as `$1 …` in the order of `names`."""
    return marked(bound(text(question, version), inline or {}, names))


def session_by_pid(version: int) -> str:
    """The session behind one pid (`$1`), as the activity question shows it, as JSON."""
    sql = text("activity", version)
    return f"select {MARK} to_json(b) from (\n{sql}\n) b where b.pid = $1"  # noqa: S608 - our own files
