"""Matchers as text: their meaning, and patterns that cannot hold anybody up."""

from __future__ import annotations

import time

import pytest

from perftui.analysis.matchers import matches, parse_matchers
from perftui.model.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('source="db"', True),
        ('source!="db"', False),
        ('source=~"d."', True),
        ('source=~"d"', False),
        ('source!~"web.*"', True),
        ('absent=""', True),
        ('{source="db", rule=~"a|b"}', False),
    ],
)
def test_what_they_mean(text, holds):
    assert matches(parse_matchers(text), {"source": "db", "rule": "c"}) is holds


def test_a_pattern_that_would_backtrack_for_ever_answers_at_once():
    began = time.process_time()
    assert not matches(parse_matchers('source=~"(a+)+b"'), {"source": "a" * 4000})
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("text", ['a=~"("', 'a=~"(?=b)"', 'a=~"%s"' % ("b" * 1001), "a=b"])
def test_what_is_refused(text):
    with pytest.raises(ConfigError):
        parse_matchers(text)
