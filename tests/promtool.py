"""Asks Debian's promtool what a Prometheus server makes of a rule file: the oracle of our own reader."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

from tests.needs import needs

_GOT = re.compile(r"Labels:(\{.*\})\s+Annotations:(\{.*\})")
_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')


def promtool(*words, check=False):
    """Run it; (whether it agreed, what it said)."""
    found = shutil.which("promtool")
    needs("promtool", found is not None, "apt-get install prometheus")
    done = subprocess.run([found, *map(str, words)], check=False, capture_output=True, text=True, timeout=60)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done.returncode == 0, done.stdout + done.stderr


def checks(path):
    """What `promtool check rules` says."""
    return promtool("check", "rules", path)


def alerts_at(folder, rules, series, times, interval="1m"):
    """Labels and annotations of every alert that fires, by (seconds, alertname), as promtool evaluates."""
    (folder / "oracle.yml").write_text(rules)
    names = re.findall(r"alert: (\w+)", rules)
    asked = [{"eval_time": f"{t}s", "alertname": name} for t in times for name in dict.fromkeys(names)]
    test = {
        "rule_files": ["oracle.yml"],
        "evaluation_interval": interval,
        "tests": [{"interval": interval, "input_series": series, "alert_rule_test": asked}],
    }
    (folder / "oracle-test.yml").write_text(json.dumps(test))
    _, said = promtool("test", "rules", folder / "oracle-test.yml")
    assert "FAILED" in said or "SUCCESS" in said, said
    found = {}
    for part in said.split("alertname: ")[1:]:
        name, time = re.match(r"(\w+), time: ([\w.]+)", part).groups()
        got = part.partition("got:")[2]
        found[_seconds(time), name] = [
            (_pairs(labels), _pairs(annotations)) for labels, annotations in _GOT.findall(got)
        ]
    return found


def _seconds(text):
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(n) * units[u] for n, u in re.findall(r"(\d+)([hms])", text))


def _pairs(text):
    return {name: json.loads(value) for name, value in _PAIR.findall(text)}
