"""How fast and how hot the processor runs, where the machine tells; asked rarely, since it may be slow."""

# ruff: noqa: PTH207, PTH118 - plain strings, as its caller has them
from __future__ import annotations

import glob
import os
import re

CORES_ASKED = 16
CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
CPU_ZONES = ("x86_pkg_temp", "cpu-thermal", "cpu_thermal", "soc_thermal")
_MHZ = re.compile(rb"^cpu MHz\s*:\s*([\d.]+)", re.MULTILINE)


def frequency(sys: str, proc: str) -> float | None:
    """Mean hertz of the first cores now; None where neither governor nor cpuinfo tells."""
    paths = glob.glob(f"{sys}/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")[:CORES_ASKED]
    found = [float(text) * 1e3 for path in paths if (text := _text(path)).isdigit()]
    if not found:
        found = [float(mhz) * 1e6 for mhz in _MHZ.findall(_bytes(f"{proc}/cpuinfo"))[:CORES_ASKED]]
    return sum(found) / len(found) if found else None


def temperature(sys: str) -> float | None:
    """The hottest reading of the processor in degrees Celsius, None without a sensor."""
    found = []
    for folder in glob.glob(f"{sys}/class/hwmon/hwmon*"):
        if _text(f"{folder}/name") in CPU_SENSORS:
            found += [_milli(path) for path in glob.glob(f"{folder}/temp*_input")]
    for folder in glob.glob(f"{sys}/class/thermal/thermal_zone*"):
        if _text(f"{folder}/type") in CPU_ZONES:
            found.append(_milli(os.path.join(folder, "temp")))
    return max((t for t in found if t is not None), default=None)


def _milli(path: str) -> float | None:
    text = _text(path)
    return int(text) / 1000 if text.isdigit() else None


def _text(path: str) -> str:
    return _bytes(path).decode(errors="replace").strip()


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 18)
    except OSError:
        return b""
