"""An independent client of the lab's shop, for tests."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from perftui.lab import Lab
from perftui.lab.shoppart import ShopPart
from perftui.lab.wire import Reply, Wires

SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


class ShopClient:
    """Asks shop, reads its metrics, and asks its supervisor."""

    def __init__(self, lab: Lab) -> None:
        self.shop = lab.part(ShopPart)
        self.wires = Wires(self.shop.host, self.shop.port)

    async def ask(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Reply:
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "host: shop", f"content-length: {len(data)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return await self.wires.ask("\r\n".join(lines).encode() + b"\r\n\r\n" + data, again=method == "GET")

    async def many(self, path: str, count: int, at_once: int = 4, **more: Any) -> list[int]:
        """Statuses of `count` requests."""
        statuses: list[int] = []

        async def some() -> None:
            while len(statuses) < count:
                statuses.append((await self.ask(path, **more)).status)

        await asyncio.gather(*(some() for _ in range(at_once)))
        return statuses

    async def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that carry the labels."""
        text = (await self.ask("/metrics")).body.decode()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = [match for match in SAMPLE.finditer(text) if match[1] == name]
        return sum(float(m[3]) for m in found if all(w in (m[2] or "") for w in wanted))

    async def pool(self) -> dict[str, Any]:
        return await self.shop.ask(op="status")
