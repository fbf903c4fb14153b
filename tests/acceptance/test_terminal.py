"""Manners in a real terminal: ways out, colours, contrast, ASCII, sizes, hostile names and pastes."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perftui.lab import Lab
from perftui.screens.live import all_tabs
from tests.terminal import Terminal, console_command

pytestmark = pytest.mark.slow

Open = Callable[..., Terminal]
READY = r"[●▲■*+!] *(live|\d+ findings?)|● live"


@pytest.fixture
def open_console(lab: Lab, tmp_path: Path) -> Iterator[Open]:
    """A console on the lab in a terminal, ended with the test."""
    opened: list[Terminal] = []

    def begin(*more: str, size: tuple[int, int] = (120, 40), **env: str) -> Terminal:
        home = {"PERFTUI_STATE_DIR": str(tmp_path / "state"), "XDG_DATA_HOME": str(tmp_path / "data")}
        opened.append(Terminal(console_command(lab.config_path(), *more), size, {**home, **env}))
        return opened[-1]

    yield begin
    for terminal in opened:
        terminal.end(signal.SIGKILL)


def tour(terminal: Terminal, look: Callable[[str], None] | None = None) -> None:
    """Visit every tab with live figures on it."""
    words: dict[str, int] = {}
    for name in all_tabs():
        screen, _, word = name.partition(".")
        words[screen] = words.get(screen, 0) + 1
        key = str(list(dict.fromkeys(t.partition(".")[0] for t in all_tabs())).index(screen) + 1)
        terminal.key(*((key, "g", "1") if words[screen] == 1 else ("]",)))
        terminal.wait(rf"(?i)[▸>]{word}\b", 20)
        terminal.pump(0.4, 1.5)
        if look:
            look(name)


WAYS_OUT = (
    ("q", 0),
    ("ctrl+c", 0),
    ("ctrl+q", 0),
    (signal.SIGTERM, 128 + signal.SIGTERM),
    (signal.SIGHUP, 128 + signal.SIGHUP),
    (signal.SIGINT, 128 + signal.SIGINT),
)


@pytest.mark.parametrize(("way", "code"), WAYS_OUT, ids=str)
def test_every_way_out_restores_the_terminal(
    open_console: Open, way: str | signal.Signals, code: int
) -> None:
    terminal = open_console()
    terminal.wait("postgres")
    terminal.key("2", "4", "?")
    terminal.key("esc", "1")
    began = time.monotonic()
    if isinstance(way, signal.Signals):
        assert terminal.end(way, 5) == code
    else:
        terminal.send((chr(ord(way[-1]) & 31) if "+" in way else way).encode())
        assert terminal.exit_code(5) == code, terminal.text()
    assert time.monotonic() - began < 2.5
    assert terminal.left_set() == []


@pytest.mark.parametrize("seed", range(4))
def test_keys_in_bursts_break_nothing(open_console: Open, seed: int) -> None:
    """From the moment the terminal is the console's, faster than it can draw."""
    chance = random.Random(seed)
    terminal = open_console()
    while b"2048" not in terminal.raw:  # the terminal's line discipline takes ctrl+q before
        terminal.pump(0.01, 0.05)
    for _ in range(12):
        for _ in range(chance.randint(1, 14)):
            terminal.send(chance.choice("1234567][?:a/jgoH\t\r\x1b\x1b").encode())
            terminal.pump(0.05, chance.choice((0.0, 0.01, 0.05, 0.2)))
        assert terminal.code is None
    terminal.send(b"\x11")
    assert terminal.exit_code(10) == 0, terminal.text()
    assert terminal.left_set() == []


@pytest.mark.parametrize("how", ["NO_COLOR", "--mono", "TERM=dumb"])
def test_no_colour_leaves_where_none_is_wanted(open_console: Open, how: str) -> None:
    env = {"NO_COLOR": {"NO_COLOR": "1"}, "TERM=dumb": {"TERM": "dumb"}}.get(how, {})
    terminal = open_console(*(("--mono",) if how == "--mono" else ()), **env)
    terminal.wait("postgres")
    tour(terminal)
    terminal.key("?")
    terminal.key("esc", ":")
    terminal.key("esc", "a")
    terminal.key("esc")
    assert terminal.colours() == set()


def luminance(colour: str) -> float:
    """Relative luminance of rrggbb (WCAG 2.2)."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2), 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def is_text(char: str) -> bool:
    """Letters, digits and marks one reads; lines, bars, dots and braille are drawings."""
    return char.strip() != "" and not (0x2500 <= ord(char[0]) < 0x2900) and char != "·"


def faint_cells(terminal: Terminal, name: str) -> set[str]:
    """Text cells below 4.5, as sentences."""
    found = set()
    for row, column, cell in terminal.cells():
        if not is_text(cell.data):
            continue
        ink, ground = (cell.bg, cell.fg) if cell.reverse else (cell.fg, cell.bg)
        if len(ink) != 6 or len(ground) != 6:
            found.add(f"{name}: {row},{column} {cell.data!r} has no colour of its own: {ink} on {ground}")
        elif contrast(ink, ground) < 4.5:
            line = terminal.screen.display[row].strip()[:40]
            found.add(f"{name}: {ink} on {ground} is {contrast(ink, ground):.2f} in row {row}: {line}")
    return found


@pytest.mark.parametrize("theme", ["dark", "light", "high-contrast", "colour-blind"])
def test_all_text_can_be_read(open_console: Open, theme: str) -> None:
    terminal = open_console("--theme", theme)
    terminal.wait("postgres")
    faint: set[str] = set()
    tour(terminal, lambda name: faint.update(faint_cells(terminal, name)))
    assert faint == set()


def test_ascii_is_only_ascii(open_console: Open) -> None:
    terminal = open_console("--ascii")
    terminal.wait("postgres")
    found: set[str] = set()

    def look(name: str) -> None:
        found.update(f"{name}: {line.strip()}" for line in terminal.lines() if not line.isascii())

    tour(terminal, look)
    assert found == set()


def frozen(terminal: Terminal) -> None:
    """Stop the figures, so that a picture can be compared."""
    terminal.key("ctrl+f")
    terminal.pump(0.5, 3.0)


def exported(terminal: Terminal, folder: Path) -> list[str]:
    """The console's own text of its screen."""
    before = set(folder.rglob("*.txt"))
    terminal.key("E")
    terminal.wait("picture", 10)
    (made,) = set(folder.rglob("*.txt")) - before
    return made.read_text("utf-8").splitlines()


def test_fifty_resizes_under_load_end_in_the_right_picture(open_console: Open, tmp_path: Path) -> None:
    terminal = open_console("--screen", "database.overview")
    terminal.wait("Heaviest")
    chance = random.Random(7)
    for n in range(50):
        terminal.resize(chance.randint(20, 300), chance.randint(5, 80))
        if n % 10 == 0:
            terminal.key("]")
        terminal.pump(0.01, 0.05)
    for size in ((20, 5), (300, 80), (120, 40)):
        terminal.resize(*size)
        terminal.pump(0.5, 3.0)
    terminal.key("1", "4", "g", "1")
    terminal.wait("Heaviest")
    frozen(terminal)
    seen = terminal.lines()
    wanted = exported(terminal, tmp_path)
    differing = [(a, b) for a, b in zip(seen, wanted, strict=False) if a != b]
    assert [pair for pair in differing if "FROZEN" not in pair[0]] == []


HOSTILE = (
    b"evil:\x1b]0;pwned\x07title",
    b"evil:\x1b[2J\x1b[31mred",
    "evil:\u202egnp.exe\u2066".encode(),
    b"evil:\xc2\x9b31mc1",
    b"evil:line\nfeed\rback",
    b"evil:" + b"A" * (1 << 20),
    b"evil:\x00\x7f\xff\xfe",
)


@pytest.fixture
async def hostile(lab: Lab) -> object:
    """Names in the cache, and a statement in the database, that attack the terminal."""
    from perftui.lab.datastores import PostgresPart, ValkeyPart

    async with lab.part(ValkeyPart).primary.client() as client:
        for name in HOSTILE:
            await client.set(name, b"\x1b[31mvalue\x1b]0;pwned\x07", ex=300)
        connection = await lab.part(PostgresPart).primary.admin(application_name="evil\x1b]0;pwned\x07\u202e")
        await connection.execute(
            'SELECT pg_sleep(0) /* \x1b[2J\x1b]0;pwned\x07 \u202e \x9b31m */ AS "\x1b[31mred"'
        )
        await connection.execute("BEGIN")
        yield None
        await connection.close()
        await client.delete(*HOSTILE)


def test_hostile_names_are_shown_inert(hostile: object, open_console: Open) -> None:
    terminal = open_console("--screen", "cache.keys")
    terminal.wait("Keys")
    terminal.wait("shop:", 20)
    terminal.key("=", *"evil:*", "enter")
    terminal.wait(r"evil:\S*A{10}", 30)
    terminal.wait(r"evil:.*pwned", 10)
    for key in ("j", "j", "enter", "esc", "j", "y", "Y"):
        terminal.key(key)
    for key in ("4", "]", "]", "]", "]", "7", "1", "2", "]"):
        terminal.key(key)
        terminal.pump(0.3, 1.5)
    raw = bytes(terminal.raw)
    assert b"\x1b]0;pwned" not in raw
    assert b"\x1b[2J\x1b[31mred" not in raw
    assert terminal.stray() == set()


def test_a_megabyte_pasted_is_survived(open_console: Open) -> None:
    terminal = open_console("--screen", "cache.keys")
    terminal.wait("Keys")
    for opener in ("/", ":", None):
        if opener:
            terminal.key(opener)
        terminal.paste("paste me, \u202e and\n" * 55000)
        terminal.pump(1.0, 20.0)
        terminal.key("esc", "esc")
    terminal.key("1")
    terminal.wait("Targets", 20)
    terminal.key("q")
    assert terminal.exit_code(10) == 0
    assert terminal.left_set() == []
