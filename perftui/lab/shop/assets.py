"""Shop's static files, made at import so that the package ships no blobs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

FOREVER = "public, max-age=31536000, immutable"
AN_HOUR = "public, max-age=3600"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file: bytes, media type, what browsers are told, and the seconds an edge may keep it."""

    body: bytes
    kind: str
    control: str
    life: float = 3600.0


def _css() -> bytes:
    rules = [f".tone-{n} {{ color: hsl({n * 6} 60% 40%); padding: {n % 9}px }}" for n in range(160)]
    return (
        "body { font: 16px/1.5 system-ui; margin: 2rem auto; max-width: 60rem }\n" + "\n".join(rules)
    ).encode()


def _js() -> bytes:
    lines = [f"export const step{n} = (value) => value * {n} + {n % 7};" for n in range(320)]
    return "\n".join(lines).encode()


def _picture(n: int) -> bytes:
    rings = "".join(
        f'<circle cx="60" cy="60" r="{60 - 3 * k}" fill="hsl({(n * 29 + k * 11) % 360} 50% 60%)"/>'
        for k in range(18)
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 120">{rings}</svg>'.encode()


def _all() -> dict[str, Asset]:
    found: dict[str, Asset] = {}
    for name, body, kind in (("app.css", _css(), "text/css"), ("app.js", _js(), "text/javascript")):
        stem, _, ending = name.partition(".")
        hashed = f"{stem}.{hashlib.sha256(body).hexdigest()[:10]}.{ending}"
        found[hashed] = Asset(body, kind, FOREVER, 31536000.0)
        found[name] = Asset(body, kind, AN_HOUR)
    for n in range(24):
        found[f"product-{n}.svg"] = Asset(_picture(n), "image/svg+xml", AN_HOUR)
    return found


ASSETS = _all()
