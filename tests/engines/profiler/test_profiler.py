"""Profiles explained, taken through the action, and written in formats other programs read."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from perftui.analysis.profilefile import read_profile
from perftui.analysis.stacks import assemble, parse_folded
from perftui.backends.pyspy import PySpy, PySpyOptions
from perftui.engines.profiler import ProfilerEngine
from perftui.engines.profiler.cpu import ProfileCpu, summary
from perftui.engines.profiler.formats import ENDINGS, WRITERS, format_of
from perftui.model.errors import Lost, PlanRejected, Unsupported
from perftui.model.health import Health, Link
from perftui.model.profiler import ProfileMeta, ProfilerReading, ProfileTarget
from perftui.model.reading import Look, Reading
from perftui.runtime.rings import Rings

TARGET = ProfileTarget(42, "python /srv/<app>&.py", "python", "web", 1.0)
META = ProfileMeta("20261125-120000-42", 100.0, 3.0, 100, 300, 0, TARGET, sampler="py-spy 0.4")
FOLDED = """<module> (/srv/app.py:8);outer (/srv/app.py:7);inner (/srv/lib.py:4) 210
<module> (/srv/app.py:8);outer (/srv/app.py:6) 60
<module> (/srv/app.py:8);other "x" <y> (/srv/app.py:3) 30
"""


@pytest.fixture
def profile():
    return assemble(parse_folded(FOLDED), META)


def report_of(engine, profile, **more):
    facts = ProfilerReading("py-spy 0.4", None, profile, (profile.meta,) if profile else (), **more)
    look = Look("spy", "pyspy", Reading("spy", 1.0, 0.0, (), facts), Health(Link.LIVE, 0.0))
    return engine.observe(1.0, {"spy": look}, Rings())


def test_a_profile_is_explained_once(profile):
    engine = ProfilerEngine()
    report = report_of(engine, profile)
    assert [f.frame.name for f in report.functions] == ["inner", "outer", 'other "x" <y>', "<module>"]
    assert [s.frame.name for s in report.hot_path] == ["<module>", "outer", "inner"]
    assert report.hot_path[-1].share == pytest.approx(0.7)
    assert report.hot_path[-1].of_parent == pytest.approx(210 / 270)
    again = report_of(engine, profile)
    assert again.functions is report.functions
    (finding,) = engine.findings(report)
    assert finding.id == "profiler.hot-function"
    assert finding.evidence[0] == "70% ± 5 points of 300 samples on its own lines, 70% with what it calls"
    assert "/srv/lib.py:4" in finding.evidence[1]
    assert finding.gain == pytest.approx(0.7)


def test_few_samples_make_no_finding_and_a_failing_sampler_one(profile):
    engine = ProfilerEngine()
    few = assemble(parse_folded("a (a.py:1) 50\n"), META)
    assert engine.findings(report_of(engine, few)) == ()
    failing = replace(profile, meta=replace(META, errors=100))
    assert [f.id for f in engine.findings(report_of(engine, failing))][-1] == "profiler.sampler-behind"
    assert engine.findings(report_of(engine, None)) == ()
    assert engine.observe(1.0, {}, Rings()).newest is None


def test_speedscope_holds_to_its_schema(profile):
    data = json.loads(WRITERS["speedscope"](profile))
    assert data["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    frames = data["shared"]["frames"]
    for frame in frames:
        assert set(frame) <= {"name", "file", "line", "col"}
        assert isinstance(frame["name"], str)
        assert isinstance(frame.get("line", 1), int)
    (only,) = data["profiles"]
    assert set(only) == {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
    assert only["type"] == "sampled"
    assert only["unit"] in {"none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"}
    assert len(only["samples"]) == len(only["weights"])
    assert all(0 <= frame < len(frames) for stack in only["samples"] for frame in stack)
    assert sum(only["weights"]) == only["endValue"] == profile.total == 300
    own = {}
    for stack, weight in zip(only["samples"], only["weights"], strict=True):
        own[frames[stack[-1]]["name"]] = own.get(frames[stack[-1]]["name"], 0) + weight
    assert own == {"inner": 210, "outer": 60, 'other "x" <y>': 30}


def test_collapsed_text_builds_the_same_tree(profile):
    again = assemble(parse_folded(WRITERS["collapsed"](profile)), META)
    assert again.tree == profile.tree
    assert again.frames == profile.frames


def test_the_svg_is_well_formed_and_shows_every_wide_bar(profile):
    root = ET.fromstring(WRITERS["svg"](profile))
    titles = [t.text for t in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(t.startswith("inner /srv/lib.py:4: 210 samples, 70.0%") for t in titles)
    assert any('other "x" <y>' in t for t in titles)
    bars = [r for g in root.iter("{http://www.w3.org/2000/svg}g") for r in g if r.tag.endswith("rect")]
    assert sum(float(r.get("width")) for r in bars if r.get("y") == bars[0].get("y")) == 1200


def test_hostile_names_do_not_break_the_svg():
    hostile = assemble(parse_folded("a\x1b[2J<script> (x\x00.py:1) 5\n"), META)
    ET.fromstring(WRITERS["svg"](hostile))


def test_the_native_format_comes_back_equal(profile):
    assert read_profile(WRITERS["json"](profile)) == profile


def test_formats_are_known_by_the_ending_of_a_file():
    assert format_of("A.SVG") == "svg"
    assert format_of("x.speedscope.json") == "speedscope"
    assert format_of("x.json") == "json"
    assert format_of("x.pdf") == ""
    assert {name for _, name in ENDINGS} == set(WRITERS)


def test_a_summary_says_how_sure_it_is(profile):
    assert summary(profile) == "300 samples in 3.0 s: inner 70% ± 5"
    few = assemble(parse_folded("a (a.py:1) 50\n"), replace(META, note="target ended after 0.5 s"))
    assert summary(few).endswith("few: under 200: a 100% ± 4; target ended after 0.5 s")
    assert "did not run Python code" in summary(assemble([], META))


@pytest.fixture
def busy():
    code = "import sys; sys.stdout.write('go\\n'); sys.stdout.flush()\nwhile True: sum(range(500))"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child.stdout.readline()
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.fixture
async def spy(tmp_path):
    made = PySpy("spy", PySpyOptions(str(tmp_path)))
    await made.open()
    yield made
    await made.close()


async def test_the_action_plans_samples_and_reports_on_a_real_process(spy, busy):
    action = ProfileCpu(spy, "spy", pid=busy.pid, seconds=1, rate=100)
    plan = await action.plan()
    assert plan.summary == f"Sample process {busy.pid} at 100 Hz for 1 s with spy"
    assert plan.affects[0].startswith(sys.executable)
    assert plan.challenge == ""
    assert "2.5%" in plan.warnings[0]
    said = []
    receipt = await action.run(said.append)
    assert receipt.done > 30
    assert receipt.facts["profile"] == spy._newest.meta.id
    assert said
    with pytest.raises(PlanRejected):
        await action.undo(receipt)


async def test_the_plan_is_void_when_the_process_is_another(spy, busy):
    action = ProfileCpu(spy, "spy", pid=busy.pid)
    await action.plan()
    action._planned = replace(action._planned, started=action._planned.started - 100)
    with pytest.raises(PlanRejected, match="now another process"):
        await action.run(lambda _: None)
    busy.kill()
    busy.wait()
    with pytest.raises((Lost, Unsupported)):
        await ProfileCpu(spy, "spy", pid=busy.pid).plan()
