"""The file format of speedscope, valid against its schema: no null fields, weights kept as samples.

Schema: https://www.speedscope.app/file-format-schema.json
"""

from __future__ import annotations

import json
from typing import Any

from perftui import __version__
from perftui.analysis.flame import stacks
from perftui.model.profiler import Profile, StackFrame

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def write(profile: Profile) -> str:
    """The profile as one sampled profile of speedscope."""
    meta = profile.meta
    rows = stacks(profile.tree)
    name = f"{meta.target.command or meta.target.pid} ({meta.seconds:.1f} s at {meta.rate} Hz)"
    data = {
        "$schema": SCHEMA,
        "exporter": f"perftui {__version__}",
        "name": name,
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(frame) for frame in profile.frames]},
        "profiles": [
            {
                "type": "sampled",
                "name": name,
                "unit": "none",
                "startValue": 0,
                "endValue": profile.total,
                "samples": [list(frames) for frames, _ in rows],
                "weights": [weight for _, weight in rows],
            }
        ],
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _frame(frame: StackFrame) -> dict[str, Any]:
    found: dict[str, Any] = {"name": frame.name}
    if frame.file:
        found["file"] = frame.file
    if frame.line:
        found["line"] = frame.line
    return found
