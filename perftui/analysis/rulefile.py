"""Reads rule files as a Prometheus server does, strictly, and says what it would say with the line.

Source of fields, checks and words: Prometheus' documentation of recording and alerting rules, and what
`promtool check rules` answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from perftui.analysis.gotemplate import TemplateError, parse_template
from perftui.analysis.promduration import parse_duration
from perftui.analysis.yamlbounds import YamlRefused, composed, place
from perftui.model.alerts import Labels
from perftui.model.errors import ExpressionError
from perftui.model.rulefile import FileGroup, FileRule, Mistake, RuleFile, RuleFileError

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
GROUP_FIELDS = ("name", "interval", "limit", "query_offset", "labels", "rules")
RULE_FIELDS = ("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations")
MOST_RULES = 10_000
LONGEST_EXPRESSION = 64 << 10

Found = dict[str, Any]
Wrong = tuple[Any, str, str]
"""Node, what is wrong, and a drawing of where."""


def read_rules(text: str, path: str = "rules.yml") -> RuleFile:
    """The file, or RuleFileError with every mistake in it."""
    try:
        root = composed(text)
    except YamlRefused as refused:
        raise RuleFileError(path, (refused.mistake,)) from refused
    reader = _Reader()
    groups = reader.file(root)
    if reader.mistakes:
        raise RuleFileError(path, tuple(sorted(reader.mistakes, key=lambda m: (m.line, m.column))))
    return RuleFile(path, groups, text, tuple(reader.warnings))


def with_expression(text: str, line: int, expression: str) -> str:
    """The text with another expression in the rule that begins in `line`, all else to the byte as it is.

    ValueError when no rule begins there.
    """
    for group in _values(composed(text), "groups"):
        for rule in _values(group, "rules"):
            if rule.start_mark.line + 1 != line:
                continue
            node = next(value for key, value in rule.value if key.value == "expr")
            start, end = node.start_mark.index, node.end_mark.index
            quoted = "'" + " ".join(expression.split()).replace("'", "''") + "'"
            tail = text[start:end][len(text[start:end].rstrip()) :]
            return text[:start] + quoted + tail + text[end:]
    raise ValueError(f"no rule begins in line {line}")


def _values(node: Any, name: str) -> list[Any]:
    pairs = node.value if node is not None and node.tag.endswith(":map") else ()
    found = next((value.value for key, value in pairs if key.value == name), ())
    return [item for item in found if not isinstance(item, str)]


def expression_mistake(text: str) -> tuple[str, str]:
    """What is wrong with an expression and a drawing of where; two empty texts when nothing is."""
    from perftui.analysis.promql import parse

    try:
        parse(text)
    except ExpressionError as error:
        return str(error), error.caret
    return "", ""


class _Reader:
    """One pass over the nodes of a file; goes on after a mistake so that all are told at once."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self.warnings: list[Mistake] = []

    def wrong(self, node: Any, text: str, caret: str = "") -> None:
        self.mistakes.append(Mistake(*place(node), text, caret))

    def file(self, root: Any) -> tuple[FileGroup, ...]:
        if root is None or root.tag.endswith(":null"):
            return ()
        fields = self.fields(root, ("groups",), "rulefmt.RuleGroups")
        groups = tuple(filter(None, (self._group(node) for node in self.items(fields.get("groups")))))
        seen: dict[str, FileGroup] = {}
        for group in groups:
            if group.name in seen:
                text = f'groupname: "{group.name}" is repeated in the same file'
                self.mistakes.append(Mistake(group.line, 1, text))
            seen[group.name] = group
        if sum(len(group.rules) for group in groups) > MOST_RULES:
            self.wrong(root, f"a file may have {MOST_RULES:,} rules")
        return groups

    def _group(self, node: Any) -> FileGroup | None:
        fields = self.fields(node, GROUP_FIELDS, "rulefmt.RuleGroup")
        if not node.tag.endswith(":map"):
            return None
        name = self.text(fields.get("name"))
        if not name:
            self.wrong(fields.get("name", node), "Groupname must not be empty")
        found: list[FileRule] = []
        for number, item in enumerate(self.items(fields.get("rules")), 1):
            rule = _RuleReader(self, f'group "{name}", rule {number}').read(item)
            if rule is not None:
                found.append(rule)
        return FileGroup(
            name,
            tuple(found),
            self.duration(fields.get("interval")),
            self.whole(fields.get("limit")),
            self.duration(fields.get("query_offset")),
            self.pairs(fields.get("labels"), "label", self.wrong),
            node.start_mark.line + 1,
        )

    # the sorts of values

    def fields(self, node: Any, known: tuple[str, ...], kind: str) -> dict[str, Any]:
        """A mapping's values by key; what is not known is told as a server tells it."""
        if not node.tag.endswith(":map"):
            self.wrong(node, f"yaml: cannot unmarshal {node.tag.rpartition(':')[2]} into {kind}")
            return {}
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in found:
                self.wrong(key, f'yaml: mapping key "{name}" already defined')
            elif name not in known:
                self.wrong(key, f"yaml: field {name} not found in type {kind}")
            found[name] = value
        return found

    def items(self, node: Any) -> Iterator[Any]:
        if node is None or node.tag.endswith(":null"):
            return
        if not node.tag.endswith(":seq"):
            self.wrong(node, f"yaml: cannot unmarshal {node.tag.rpartition(':')[2]} into a list")
            return
        yield from node.value

    def text(self, node: Any) -> str:
        if node is None or node.tag.endswith(":null"):
            return ""
        if not isinstance(node.value, str):
            self.wrong(node, "yaml: cannot unmarshal a list or map into string")
            return ""
        return str(node.value)

    def duration(self, node: Any) -> float:
        text = self.text(node)
        if node is None or (not text and node.tag.endswith(":null")):
            return 0.0
        try:
            return parse_duration(text)
        except ValueError as error:
            self.wrong(node, str(error))
            return 0.0

    def whole(self, node: Any) -> int:
        text = self.text(node)
        if text and not re.fullmatch(r"[-+]?\d{1,9}", text):
            self.wrong(node, f"yaml: cannot unmarshal {text!r} into int")
            return 0
        return int(text or 0)

    def pairs(self, node: Any, what: str, wrong: Callable[[Any, str], None]) -> Labels:
        if node is None or node.tag.endswith(":null"):
            return ()
        if not node.tag.endswith(":map"):
            wrong(node, f"yaml: cannot unmarshal {what}s that are no map")
            return ()
        found: dict[str, str] = {}
        for key, value in node.value:
            name = str(key.value)
            if not LABEL.match(name) or (what == "label" and name == "__name__"):
                wrong(key, f"invalid {what} name: {name}")
            if name in found:
                wrong(key, f'yaml: mapping key "{name}" already defined')
            found[name] = self.text(value)
        return tuple(found.items())


class _RuleReader:
    """One rule of a group, and what is wrong with it."""

    def __init__(self, file: _Reader, where: str) -> None:
        self._file = file
        self._where = where

    def read(self, node: Any) -> FileRule | None:
        fields = self._file.fields(node, RULE_FIELDS, "rulefmt.RuleNode")
        if not node.tag.endswith(":map"):
            return None
        text, duration, pairs = self._file.text, self._file.duration, self._file.pairs
        alert, record = text(fields.get("alert")), text(fields.get("record"))
        rule = FileRule(
            alert or record,
            text(fields.get("expr")),
            bool(record),
            duration(fields.get("for")),
            duration(fields.get("keep_firing_for")),
            pairs(fields.get("labels"), "label", self._wrong),
            pairs(fields.get("annotations"), "annotation", self._wrong),
            node.start_mark.line + 1,
        )
        self._where += f', "{rule.name}"'
        for place_, said, caret in self._mistakes(rule, fields, node, alert, record):
            self._wrong(place_, said, caret)
        return rule

    def _wrong(self, node: Any, text: str, caret: str = "") -> None:
        self._file.wrong(node, f"{self._where}: {text}", caret)

    def _mistakes(self, rule: FileRule, fields: Found, node: Any, alert: str, record: str) -> Iterator[Wrong]:
        if alert and record:
            yield node, "only one of 'record' and 'alert' must be set", ""
        if not (alert or record):
            yield node, "one of 'record' or 'alert' must be set", ""
        yield from self._expression(rule, fields, node)
        if record:
            for name in ("annotations", "for", "keep_firing_for"):
                if name in fields and (name == "annotations" or self._file.duration(fields[name])):
                    yield fields[name], f"invalid field '{name}' in recording rule", ""
            if not METRIC.match(record):
                yield fields["record"], f"invalid recording rule name: {record}", ""
        for name in ("labels", "annotations"):
            for key, text in dict(getattr(rule, name)).items():
                try:
                    parse_template(text)
                except TemplateError as error:
                    said = f'{name[:-1]} "{key}": template: __alert_{rule.name}:{error}'
                    yield fields[name], said, ""

    def _expression(
        self, rule: FileRule, fields: dict[str, Any], node: Any
    ) -> Iterator[tuple[Any, str, str]]:
        if not rule.expr.strip():
            yield node, "field 'expr' must be set in rule", ""
        elif len(rule.expr) > LONGEST_EXPRESSION:
            yield fields["expr"], f"an expression may have {LONGEST_EXPRESSION >> 10} KiB", ""
        else:
            said, caret = expression_mistake(rule.expr)
            if said:
                yield fields["expr"], f"could not parse expression: {said}", caret
