"""A Varnish cache: counters from its shared memory, purges and checks over HTTP.

`varnishstat -j` and `varnishncsa` (Varnish 6.5 and later, `man varnishstat`) run as programs with
the same `-n` folder; purges are PURGE requests that the VCL must accept, with the token in
`X-Purge-Token` and a tag in `X-Purge-Tag`.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, ClassVar
from urllib.parse import urlsplit

from perftui.analysis.rates import Rates
from perftui.model.cdn import CacheState, EdgeFacts, EdgeLook, Origin, PurgeRequest, UrlUse
from perftui.model.errors import Lost, Protocol, Refused, Unsupported
from perftui.model.options import VarnishOptions
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey

LIMIT = 4 << 20
WAIT = 3.0
LOG_FORMAT = r"%U%q\t%{Varnish:handling}x\t%b\t%{Varnish:time_firstbyte}x\t%{Surrogate-Key}o"
STALL = 3.0  # seconds
PROBES = 8


class Varnish:
    """One varnishd; powers `Purger`, `EdgeVerifier`, `EdgeContent`."""

    kind: ClassVar[str] = "varnish"
    layer: ClassVar[str] = "cdn"
    Options: ClassVar[type] = VarnishOptions
    libraries: ClassVar[tuple[str, ...]] = ("httpx",)
    period: ClassVar[float] = 2.0
    idle_period: ClassVar[float] = 10.0
    deadline: ClassVar[float] = 4.0

    def __init__(self, name: str, options: VarnishOptions) -> None:
        self.name = name
        self._options = options
        self._purge_url = (options.purge_url or options.url).rstrip("/")
        self._url = options.url.rstrip("/")
        self._rates = Rates()
        self._client: Any = None
        self._product = "Varnish"
        self._uptime = (0.0, -1.0)  # monotonic time it last moved, its value

    async def open(self) -> None:
        """Check that the program answers for this folder and prepare the HTTP client."""
        import httpx

        await self.close()
        self._uptime = (0.0, -1.0)
        self._client = httpx.AsyncClient(timeout=WAIT, trust_env=False, follow_redirects=False)
        self._product = await self._version()

    async def close(self) -> None:
        """Close the HTTP client."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def read(self) -> Reading:
        """Counters, storage and the health of the origins."""
        at, began = time.time(), time.monotonic()
        await self._knock()
        counters = _counters(await self._run("varnishstat", "-t", "1", "-j"))
        if not counters:
            raise Lost(f"{self.name}: no varnishd behind {self._options.dir or 'the default folder'}")
        self._check_alive(began, counters.get("MAIN.uptime", 0.0))
        facts = self._facts(at, counters)
        return Reading(self.name, at, time.monotonic() - began, self._measures(facts), facts)

    async def purge_edge(self, request: PurgeRequest) -> int | None:
        """PURGE each target; the objects dropped where xkey counts them."""
        dropped: int | None = None
        for target in request.targets:
            headers = {"X-Purge-Token": self._options.token} if self._options.token else {}
            path = "/"
            if request.kind == "tag":
                headers["X-Purge-Tag"] = target
            else:
                path, host = _path(target)
                headers |= {"Host": host} if host else {}
            answer = await self._http("PURGE", self._purge_url + path, headers)
            if answer.status_code in (401, 403, 405):
                raise Refused(
                    f"{self.name}: PURGE refused with {answer.status_code}: check its token and VCL"
                )
            if answer.status_code != 200:
                raise Protocol(f"{self.name}: PURGE of {target[:100]} answered {answer.status_code}")
            count = answer.headers.get("x-purged", "")
            if count.isdigit():
                dropped = (dropped or 0) + int(count)
        return dropped

    async def look_at(self, url: str) -> EdgeLook:
        """GET as a visitor; the state is the edge's own `X-Cache` word, else told from Age."""
        path, host = _path(url)
        began = time.monotonic()
        answer = await self._http("GET", self._url + path, {"Host": host} if host else {})
        took = time.monotonic() - began
        age = answer.headers.get("age", "")
        kept = ("x-cache", "age", "cache-control", "etag", "x-varnish", "via")
        return EdgeLook(
            path,
            answer.status_code,
            _state(answer.headers),
            float(age) if age.isdigit() else None,
            took,
            tuple((k, v[:200]) for k, v in answer.headers.items() if k in kept),
            object=_fetched_by(answer.headers),
        )

    async def recent_urls(self, limit: int) -> tuple[UrlUse, ...]:
        """The most requested URLs still in the shared memory log."""
        text = await self._run("varnishncsa", "-t", "1", "-d", "-F", LOG_FORMAT)
        return _uses(text.decode("utf-8", "replace"), limit)

    async def _knock(self) -> None:
        """The counters outlive the server in shared memory: see that somebody listens at all."""
        parts = urlsplit(self._url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with asyncio.timeout(WAIT):
                _, writer = await asyncio.open_connection(parts.hostname, port)
        except TimeoutError as error:
            raise Lost(f"{self.name}: no answer from {self._url} in {WAIT:g} s") from error
        except OSError as error:
            raise Lost(f"{self.name}: cannot reach {self._url}: {error.strerror or error}") from error
        writer.close()

    def _check_alive(self, now: float, uptime: float) -> None:
        """A stopped worker leaves its counters standing: its uptime, in whole seconds, must go on."""
        moved, seen = self._uptime
        if uptime != seen:
            self._uptime = (now, uptime)
        elif now - moved > STALL:
            raise Lost(f"{self.name}: its counters have stood still for {now - moved:.0f} s")

    async def _version(self) -> str:
        text = (await self._run("varnishstat", "-V", on_stderr=True)).decode("utf-8", "replace")
        start = text.find("varnish-")
        return f"Varnish {text[start + 8 :].split()[0]}" if start >= 0 else "Varnish"

    async def _http(self, method: str, url: str, headers: dict[str, str]) -> Any:
        import httpx

        if self._client is None:
            raise Lost(f"{self.name}: not connected")
        try:
            async with asyncio.timeout(WAIT), self._client.stream(method, url, headers=headers) as answer:
                size = 0
                async for chunk in answer.aiter_raw():
                    size += len(chunk)
                    if size > LIMIT:
                        break
                return answer
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Lost(f"{self.name}: no answer from {self._url} in {WAIT:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Lost(f"{self.name}: {type(error).__name__}: {error}"[:300]) from error

    async def _run(self, program: str, *arguments: str, on_stderr: bool = False) -> bytes:
        folder = ("-n", self._options.dir) if self._options.dir else ()
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *folder,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise Unsupported(f"{program} is not installed: apt install varnish") from error
        try:
            async with asyncio.timeout(WAIT):
                out, err = await process.communicate()
        except TimeoutError as error:
            raise Lost(f"{self.name}: {program} did not answer in {WAIT:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            raise Lost(f"{self.name}: {program}: {err.decode('utf-8', 'replace').strip()[:200]}")
        return (err or out) if on_stderr else out

    def _facts(self, at: float, counters: dict[str, float]) -> EdgeFacts:
        rate = self._rates.step(at, {name: counters[name] for name in RATED if name in counters})
        states = {
            CacheState.HIT: _known(rate, "MAIN.cache_hit", minus="MAIN.cache_hit_grace"),
            CacheState.STALE: rate.get("MAIN.cache_hit_grace"),
            CacheState.MISS: rate.get("MAIN.cache_miss"),
            CacheState.PASS: rate.get("MAIN.s_pass"),
            CacheState.SYNTH: rate.get("MAIN.s_synth"),
        }
        hits, misses = rate.get("MAIN.cache_hit"), rate.get("MAIN.cache_miss")
        looked = (hits or 0.0) + (misses or 0.0)
        used, free = counters.get("SMA.s0.g_bytes"), counters.get("SMA.s0.g_space")
        return EdgeFacts(
            product=self._product,
            uptime=counters.get("MAIN.uptime", 0.0),
            requests_per_s=rate.get("MAIN.client_req"),
            hit_ratio=(hits or 0.0) / looked if hits is not None and looked else None,
            bytes_per_s=_known(rate, "MAIN.s_resp_bodybytes", plus="MAIN.s_resp_hdrbytes"),
            errors_per_s=_known(rate, "MAIN.fetch_failed", plus="MAIN.client_resp_500"),
            objects=_int(counters.get("MAIN.n_object")),
            stored_bytes=_int(used),
            limit_bytes=_int(used + free) if used is not None and free is not None else None,
            by_state=tuple((state.value, value) for state, value in states.items() if value is not None),
            origins=_origins(counters),
        )

    def _measures(self, facts: EdgeFacts) -> tuple[Measure, ...]:
        plain = (
            ("requests_per_s", facts.requests_per_s, "1/s"),
            ("hit_ratio", facts.hit_ratio, "ratio"),
            ("bytes_per_s", facts.bytes_per_s, "bytes/s"),
            ("errors_per_s", facts.errors_per_s, "1/s"),
            ("objects", facts.objects, "1"),
            ("stored_bytes", facts.stored_bytes, "bytes"),
            *((f"{state}_per_s", value, "1/s") for state, value in facts.by_state),
        )
        return tuple(Measure(SeriesKey(self.name, n), float(v), u) for n, v, u in plain if v is not None)


RATED = (
    "MAIN.client_req",
    "MAIN.cache_hit",
    "MAIN.cache_hit_grace",
    "MAIN.cache_miss",
    "MAIN.s_pass",
    "MAIN.s_synth",
    "MAIN.s_resp_bodybytes",
    "MAIN.s_resp_hdrbytes",
    "MAIN.fetch_failed",
    "MAIN.client_resp_500",
)


def _counters(out: bytes) -> dict[str, float]:
    try:
        tree = json.loads(out[:LIMIT])
        rows = tree.get("counters", tree)
        return {
            name: row["value"]  # a bitmap of 64 probes would not fit a float
            for name, row in rows.items()
            if isinstance(row, dict) and isinstance(row.get("value"), int | float)
        }
    except (ValueError, AttributeError) as error:
        raise Protocol("varnishstat: an answer that is no JSON of counters") from error


def _known(rate: dict[str, float], name: str, *, plus: str = "", minus: str = "") -> float | None:
    if name not in rate:
        return None
    return max(0.0, rate[name] + rate.get(plus, 0.0) - rate.get(minus, 0.0))


def _int(value: float | None) -> int | None:
    return None if value is None else int(value)


def _origins(counters: dict[str, float]) -> tuple[Origin, ...]:
    """`VBE.<vcl>.<name>.happy` is a bitmap of probe results; the lowest bit is the probe under way."""
    found = []
    for name, value in sorted(counters.items()):
        parts = name.split(".")
        if parts[0] != "VBE" or parts[-1] != "happy":
            continue
        ended = int(value) >> 1 & ((1 << PROBES) - 1)
        good, newest = ended.bit_count(), ended & 0b111
        failed = counters.get(f"{name.removesuffix('happy')}fail", 0)
        detail = f"{good} of the newest {PROBES} probes good, {failed:.0f} failed connections"
        found.append(Origin(".".join(parts[2:-1]), bool(newest) and good >= 3, detail))
    return tuple(found)


def _path(url: str) -> tuple[str, str]:
    """Path with query, and the host when the URL names one."""
    parts = urlsplit(url)
    path = parts.path or "/"
    if not path.startswith("/"):
        path = f"/{path}"
    return path + (f"?{parts.query}" if parts.query else ""), parts.netloc


def _state(headers: Any) -> CacheState | None:
    word = str(headers.get("x-cache", "")).split(" ")[0].strip(",").lower()
    if word in {state.value for state in CacheState}:
        return CacheState(word)
    if "x-varnish" in headers:  # two transaction ids: served from an object fetched earlier
        return CacheState.HIT if len(headers["x-varnish"].split()) > 1 else CacheState.MISS
    return None


def _fetched_by(headers: Any) -> str:
    """The transaction that fetched the copy served: the second number of `X-Varnish` on a hit."""
    numbers = str(headers.get("x-varnish", "")).split()
    return numbers[1] if len(numbers) > 1 else ""


def _uses(text: str, limit: int) -> tuple[UrlUse, ...]:
    seen: dict[str, list[Any]] = {}
    for line in text.splitlines():
        parts = line.split("\t")
        if len(parts) != 5 or parts[1] not in ("hit", "miss", "pass"):
            continue
        url, handling, size, ttfb, tags = parts
        row = seen.setdefault(url[:2048], [0, 0, 0, 0.0, ()])
        row[0] += 1
        row[1] += handling == "hit"
        row[2] += int(size) if size.isdigit() else 0
        row[3] += _float(ttfb)
        row[4] = tuple(tags.split()[:20]) if tags != "-" else row[4]
    ranked = sorted(seen.items(), key=lambda item: (-item[1][0], item[0]))[:limit]
    return tuple(UrlUse(u, n, hits, b, t / n, tags) for u, (n, hits, b, t, tags) in ranked)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
