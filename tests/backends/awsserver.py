"""Moto, an emulator of AWS with an environment of its own, as a server on 127.0.0.1 that checks signatures."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from typing import Any

from tests.needs import needs
from tests.waiting import until_now

PROGRAM = os.environ.get("PERFTUI_MOTO") or shutil.which("moto_server")
REGION = "eu-west-1"
SETTING_UP = 3  # calls that make a user with a key; all that come after are checked
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sns:*","monitoring:*"],"Resource":"*"}]}'


class Aws:
    """One process, with one user whose key is `access_key`, `secret_key`."""

    def __init__(self) -> None:
        needs("moto", bool(PROGRAM), "PERFTUI_MOTO names its moto_server")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [str(PROGRAM), "-H", "127.0.0.1", "-p", str(self.port)],
            env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(SETTING_UP)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until_now(self._listens, 60)
        iam = self.client("iam", "setup", "setup")
        iam.create_user(UserName="perftui")
        key = iam.create_access_key(UserName="perftui")["AccessKey"]
        self.access_key, self.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
        iam.put_user_policy(UserName="perftui", PolicyName="all", PolicyDocument=POLICY)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def client(self, service: str, access_key: str, secret_key: str) -> Any:
        import boto3

        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
        )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
