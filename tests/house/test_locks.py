"""What `make lab` installs is enough for what the lab's processes import before anything else."""

import importlib.metadata
import re
import sys

from perftui.lab.shop.__main__ import WARM
from tests.house.tree import ROOT


def locked(name):
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    return {found[1].lower() for line in lines if (found := re.match(r"([\w.-]+)==", line))}


def test_the_lab_installs_what_its_shop_imports():
    made_by = importlib.metadata.packages_distributions()
    tops = {name.partition(".")[0] for name in WARM} - {"perftui"} - set(sys.stdlib_module_names)
    assert {"cramjam", "zstandard", "asyncpg"} <= tops
    missing = {top for top in tops if not locked("lab.lock") & {d.lower() for d in made_by[top]}}
    assert missing == set()
