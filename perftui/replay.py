"""A session over a recording: the same screens with no system behind them and no socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from perftui.config import BackendConfig, Config, Environment, paths
from perftui.draw.format import stamp
from perftui.model.errors import StoreError, Unsupported
from perftui.runtime.clock import ReplayClock
from perftui.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from perftui.model.frame import Frame, SeriesReader
    from perftui.runtime.recorder import Recorder
    from perftui.runtime.rewind import Rewind


class Replay(Session):
    """What a recording or the store shows, from one instant on."""

    def __init__(self, config: Config, past: Rewind, about: Mapping[str, Any], clock: ReplayClock) -> None:
        """`about` tells `name` and `kind` of the environment, and of its systems `sources`, `kinds` …"""
        kinds: Mapping[str, str] = about.get("kinds") or {}
        systems = {name: BackendConfig(name, kind, None) for name, kind in kinds.items()}
        rests = about.get("depends_on") or {}
        env = Environment(str(about["name"]), str(about["kind"]), "", True, systems, rests)
        super().__init__(config, env, read_only=True)
        self.clock = clock
        self._past = past
        self.note_of_file = ""  # what is wrong with the recording, in a sentence
        self._sources: Mapping[str, tuple[str, ...]] = about.get("sources") or {}

    async def start(self) -> None:
        """Everything is there."""

    async def close(self) -> None:
        """Let go of the file."""
        await self._past.store.close()

    @property
    def past(self) -> Rewind | None:
        """What was shown."""
        return self._past

    @property
    def history(self) -> SeriesReader:
        """Samples as they were recorded."""
        return self._past.history

    def frame(self, topic: str) -> Frame:
        """What the topic showed at the instant the recording stands at."""
        return self.at(self.clock.now(), topic)

    def sources(self, power: str) -> tuple[str, ...]:
        """Names of the systems that had a power; none of them can be asked."""
        return tuple(name for name, powers in self._sources.items() if power in powers)

    def powers(self, source: str) -> tuple[str, ...]:
        """Powers a system had."""
        return self._sources.get(source, ())

    def note(self, text: str) -> None:
        """Nothing is written into a recording."""
        raise Unsupported("a recording takes no notes")


def of_file(config: Config, path: Path, clock: Mapping[str, Any], at: float | None = None) -> Replay:
    """A replay of a session file; StoreError says what is wrong with it."""
    from perftui.runtime.recording import Recording

    if not path.is_file():
        raise StoreError(f"there is no file {path}")
    recording = Recording(path)
    about = {"name": recording.env, "kind": recording.kind, "sources": recording.sources}
    about |= {"kinds": recording.kinds, "depends_on": recording.depends_on}
    time = ReplayClock(recording.start, recording.end, **clock)
    time.travel(recording.start if at is None else at)
    replay = Replay(config, recording.past, about, time)
    if recording.truncated:
        until = stamp(recording.end, config.ui.timezone)
        replay.note_of_file = f"{path} is truncated: opened up to {until}, the last whole frame"
    return replay


def of_store(config: Config) -> Replay:
    """What the environment's own store shows, as of now; StoreError where there is none."""
    from pathlib import Path

    from perftui.runtime.clock import Clock
    from perftui.runtime.history import History
    from perftui.runtime.rewind import Rewind
    from perftui.runtime.store import Store

    url = config.store_url() or str(paths.store_file())
    if not config.store_url() and not Path(url).exists():
        raise StoreError(f"nothing is remembered yet: there is no {url}")
    env = config.environment
    store = Store.open(url, env.name)
    past = Rewind(store, None, History(store, Clock()))
    from perftui.runtime.audit import Audit

    past.serve(config.ui.timezone, Audit(paths.state_dir() / "audit.jsonl").report)
    clock = ReplayClock(0.0, Clock().wall())
    clock.travel(clock.end)
    return Replay(config, past, _about(env), clock)


def _about(env: Environment) -> dict[str, Any]:
    kinds = env.kinds
    return {"name": env.name, "kind": env.kind, "kinds": kinds, "depends_on": dict(env.depends_on)}


def recorder(session: Session, path: Path) -> Recorder:
    """A recorder of a session, not yet begun; StoreError when the file exists."""
    from perftui.config.effective import shown
    from perftui.runtime.recorder import Recorder

    about = {
        **_about(session.env),
        "tz": session.config.ui.timezone,
        "settings": shown(session.config),
        "sources": list(session.env.backends),
    }
    most = int(session.setting("history.max_bytes"))
    return Recorder(path, session, about, session.conductor.audit, most)
