"""A real Prometheus on an empty folder, fed sample by sample through remote-write."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict

from perftui.lab.ports import free_port
from tests.waiting import until_now

PROGRAM = shutil.which("prometheus")


class Server:
    """One process; `push` and `ask` speak to it."""

    def __init__(self, folder, config="global: {evaluation_interval: 1m}\n", *more):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prometheus.yml").write_text(config)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [
                PROGRAM,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--web.enable-remote-write-receiver",
                "--web.enable-lifecycle",
                *more,
            ],
            stdout=self.log,
            stderr=self.log,
        )
        until_now(self.ready)

    def ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return answer.status == 200
        except urllib.error.HTTPError as error:
            return error.code == 401  # ready, behind a login
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def push(self, rows):
        """Rows of (labels, at, value) in time order."""
        request = urllib.request.Request(f"{self.url}/api/v1/write", data=snappy(write_request(rows)))
        request.add_header("Content-Encoding", "snappy")
        request.add_header("Content-Type", "application/x-protobuf")
        request.add_header("X-Prometheus-Remote-Write-Version", "0.1.0")
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 204

    def ask(self, path, **params):
        """The decoded answer, errors included."""
        data = urllib.parse.urlencode(params).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data=data, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)


def _varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _field(number, data):
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def write_request(rows):
    """The protobuf message of remote-write 1.0."""
    series = defaultdict(list)
    for labels, at, value in rows:
        series[labels].append((at, value))
    message = b""
    for labels, samples in series.items():
        body = b"".join(_field(1, _field(1, n.encode()) + _field(2, v.encode())) for n, v in labels)
        for at, value in samples:
            stamp = b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(round(at * 1000))
            body += _field(2, stamp)
        message += _field(1, body)
    return message


def snappy(data):
    """The block format with literals alone."""
    out = bytearray(_varint(len(data)))
    for place in range(0, len(data), 65536):
        part = data[place : place + 65536]
        out += b"\xf4" + struct.pack("<H", len(part) - 1) + part
    return bytes(out)
