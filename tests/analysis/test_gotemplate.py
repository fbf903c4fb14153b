"""Templates become what a Prometheus server makes of them, and broken ones say why."""

from __future__ import annotations

import json

import pytest

from perftui.analysis.gotemplate import TemplateError, expand, parse_template
from tests.promtool import alerts_at, checks

LABELS = {"instance": "web-1:9100", "job": "shop", "zone": ""}
TEMPLATES = (
    "{{ $labels.instance }} of {{ .Labels.job }} has no {{ $labels.nope }}",
    "{{ $value }} {{ .Value | humanize }} {{ humanize1024 $value }} {{ humanizePercentage $value }}",
    "{{ humanizeDuration $value }} {{ humanizeTimestamp $value }}",
    '{{ printf "%v %g %.3e %d|%s" $value $value $value $value $value }}',
    '{{ printf "%8.2f|%-8s|%q|%05d|%+d|%t|%%" $value "ab" "c\\n" 42 7 true }}',
    '{{ print 1 2 "a" "b" 3 }} {{ println "x" 1 }} {{ len "abc" }}',
    '{{ title "hello wOrld of_it" }} {{ toUpper "ab" }} {{ toLower "AB" }} {{ stripPort $labels.instance }}',
    '{{ reReplaceAll "(.*):(\\\\d+)" "$2 at ${1}" $labels.instance }} {{ match "^web" $labels.instance }}',
    "{{ if gt $value 1000.0 }}much{{ else if gt $value 1.0 }}some{{ else }}little{{ end }}",
    "{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
    "{{ range $v := $labels }}[{{ . }}{{ $v }}]{{ else }}none{{ end }}",
    "{{ with $labels.job }}job {{ . }}{{ else }}no job{{ end }}|{{ with $labels.nope }}x{{ else }}none{{ end }}",
    "{{ $x := $labels.job }}{{ if true }}{{ $x = `other` }}{{ end }}{{ $x }}",
    'a  {{- " b " -}}  c {{/* nothing */}}d {{- /* trims */ -}} e',
    '{{ and 1 0 }} {{ or "" "x" }} {{ not true }} {{ eq "a" "b" "a" }} {{ ne 1 2 }} {{ lt 1 2 }} {{ ge 2 2 }}',
    '{{ index $labels "job" }} {{ $labels }} {{ ($labels).job }} {{ (printf "%s!" $labels.job) | toUpper }}',
    '{{ with query "m" | sortByLabel "job" }}{{ . | first | value }} {{ . | first | label "job" }}{{ end }}',
    '{{ range query "m" | sortByLabel "job" }}{{ .Labels.job }}:{{ .Value }} {{ end }}',
    '{{ query "nothing" | first | value }}',
    "{{ eq 1 1.0 }}",
    "{{ .Nope }}",
    "{{ 1 2 }}",
    '{{ parseDuration "1h30m" }} {{ tableLink "up > 1" }} {{ "a&b" | urlquery }} {{ `<b>` | html }}',
    '{{ stripDomain "a.b.c:80" }} {{ stripDomain "10.0.0.1:80" }} {{ 0x10 }} {{ 1e3 }} {{ \'a\' }}',
)
BROKEN = (
    "{{ .Foo",
    "{{ nosuch }}",
    "{{ $foo }}",
    "{{ if }}x{{ end }}",
    "{{ end }}",
    '{{ "a }}',
    "{{ `a }}",
    "{{ if 1 }}x",
    "{{ 1 | 2 }}",
    "{{ }}",
    "{{ (1 }}",
    "{{ if 1 }}{{ $x := 1 }}{{ end }}{{ $x }}",
)
VALUES = (0.0, 1.5, -0.00012, 1234.5678, 123456.0, 1e6, 123456789.25, 86461.0)


def ours(text, value, vector=()):
    def query(expression):
        return vector if expression == "m" else ()

    return expand(text, LABELS, value, query, name="X")


def test_templates_become_what_a_server_makes_of_them(tmp_path):
    notes = {f"a{number}": text for number, text in enumerate(TEMPLATES)}
    rules = f"groups: [{{name: g, rules: [{{alert: X, expr: x, annotations: {json.dumps(notes)}}}]}}]"
    series = [
        {"series": 'x{instance="web-1:9100", job="shop"}', "values": " ".join(map(str, VALUES))},
        *({"series": f'm{{job="{job}"}}', "values": f"{n}x20"} for n, job in ((3, "b"), (2, "a"))),
    ]
    found = alerts_at(tmp_path, rules, series, [60 * n for n in range(8)])
    vector = [
        {"Labels": {"__name__": "m", "job": job}, "Value": value} for job, value in (("a", 2.0), ("b", 3.0))
    ]
    labels = {"__name__": "x", **{name: value for name, value in LABELS.items() if value}}
    different = []
    for number, value in enumerate(VALUES):
        ((_, annotations),) = found[60 * number, "X"]
        for name, text in notes.items():
            got = expand(text, labels, value, lambda e: vector if e == "m" else (), name="X")
            wanted = annotations.get(name, "")
            if wanted.startswith("<error expanding"):  # what follows names Go's types and places
                wanted, got = wanted[:80], got[:80]
            if got != wanted:
                different.append((text, value, wanted, got))
    assert different == [], different[:4]


@pytest.mark.parametrize("text", BROKEN)
def test_broken_ones_are_told_as_a_server_tells(tmp_path, text):
    path = tmp_path / "r.yml"
    path.write_text(json.dumps({"groups": [{"name": "g", "rules": [rule_with(text)]}]}))
    with pytest.raises(TemplateError) as told:
        parse_template(text)
    right, said = checks(path)
    assert not right
    assert f"__alert_X:{told.value}" in said


def rule_with(text):
    return {"alert": "X", "expr": "up", "annotations": {"a": text}}


def test_a_broken_one_becomes_its_error():
    assert ours("{{ nosuch }}", 1.0).startswith("<error expanding template: error parsing")
    assert "first() called on vector" in ours('{{ query "x" | first }}', 1.0)
    assert "wrong number" in ours("{{ toUpper 1 }}", 1.0)


def test_what_runs_away_is_stopped():
    assert "longer than 64 KiB" in ours('{{ printf "%900s" "x" }}' * 80, 1.0)
    big = "{{ range query `m` }}{{ range query `m` }}{{ range query `m` }}x{{ end }}{{ end }}{{ end }}"
    assert "more than 20,000 steps" in ours(big, 1.0, [{"Labels": {}, "Value": 1.0}] * 100)
    assert "nested more than 40 deep" in ours("{{ if 1 }}" * 60 + "{{ end }}" * 60, 1.0)
    assert "is too much" in ours('{{ printf "%99999s" "x" }}', 1.0)
    with pytest.raises(TemplateError, match="64 KiB"):
        parse_template("x" * 70_000)
