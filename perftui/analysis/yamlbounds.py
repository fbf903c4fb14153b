"""YAML from strangers: read as plain nodes with their lines, bounded before anything is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perftui.model.rulefile import Mistake

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST = 1 << 20  # bytes of a file
DEEPEST = 12
MOST_EVENTS = 100_000


class YamlRefused(Exception):
    """A text that is no YAML of the sort that rule files are; `mistake` says where."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.text)
        self.mistake = mistake


def composed(text: str) -> Any:
    """The root node of the one document in `text`, None when there is none; YamlRefused."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text.encode("utf-8", "replace")) > LARGEST:
        raise YamlRefused(Mistake(1, 1, f"a rule file may have {LARGEST >> 20} MiB"))
    try:
        _bounded(YAML(typ="safe", pure=True).parse(text))
        return YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlRefused(Mistake(line, column, f"yaml: {said}")) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise YamlRefused(Mistake(1, 1, f"yaml: {str(error).splitlines()[0]}")) from error


def _bounded(events: Iterable[Any]) -> None:
    """Refuse aliases (a few lines of them can stand for gigabytes), own tags, depth, a second document."""
    depth = documents = 0
    for number, event in enumerate(events):
        word = type(event).__name__
        depth += word.endswith("StartEvent") - word.endswith("EndEvent")
        documents += word == "DocumentStartEvent"
        problem = next(_problems(event, word, depth, documents), "")
        if number > MOST_EVENTS:
            problem = f"a rule file may have {MOST_EVENTS:,} parts"
        if problem:
            mark = event.start_mark
            raise YamlRefused(Mistake(mark.line + 1, mark.column + 1, f"yaml: {problem}"))


def _problems(event: Any, word: str, depth: int, documents: int) -> Iterator[str]:
    if word == "AliasEvent":
        yield "aliases are not expanded: write it out"
    tag = getattr(event, "tag", None)
    if tag and not str(tag).startswith("tag:yaml.org,2002:str"):
        yield f"the tag {tag} is not used in rule files"
    if depth > DEEPEST:
        yield f"nested more than {DEEPEST} deep"
    if documents > 1:
        yield "a second document in one file: a server would not read it"


def place(node: Any) -> tuple[int, int]:
    """Line and column of a node, from one."""
    return node.start_mark.line + 1, node.start_mark.column + 1
