"""Real servers on this machine that MLflow logs to; their contents outlive them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

START_SECONDS = 180


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class MlflowServer:
    """An MLflow server with a SQLite file of its own."""

    def __init__(self, folder):
        self.port = free_port()
        self.folder, self.address = folder, f"http://127.0.0.1:{self.port}"

    def start(self):
        settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        places = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        places += ["--artifacts-destination", str(self.folder / "files")]
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1", *places],
                env={**os.environ, **settings},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends:
            try:
                urllib.request.urlopen(f"{self.address}/health", timeout=2).close()
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError((self.folder / "log").read_text())

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.kill()


class Postgres:
    """PostgreSQL that asks for a password; run as another user where this one is root, as it demands."""

    PASSWORD = "not-to-be-shown"

    def __init__(self):
        self.port, self._user = free_port(), {"user": "postgres"} if os.geteuid() == 0 else {}
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        if self._user:
            shutil.chown(self.folder, "postgres")
        self.address = f"postgresql+psycopg://bench:{self.PASSWORD}@127.0.0.1:{self.port}/postgres"
        (self.folder / "password").write_text(self.PASSWORD)
        (self.folder / "password").chmod(0o644)
        password = f"--pwfile={self.folder / 'password'}"
        self._do("initdb", "--username=bench", "--auth=scram-sha-256", password, "-D", str(self.folder / "data"))

    @staticmethod
    def programs():
        """Folder of PostgreSQL's programs, which Debian keeps out of the PATH; None where it is not installed."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        here = shutil.which("initdb") or (found[-1] if found else None)
        return None if here is None else Path(here).parent

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        self._control("-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def kill(self):
        self._control("-m", "immediate", "stop")

    def close(self):
        self.kill()
        shutil.rmtree(self.folder)

    def _control(self, *arguments):
        self._do("pg_ctl", "-D", str(self.folder / "data"), *arguments)

    def _do(self, program, *arguments):
        command = [str(self.programs() / program), *arguments]
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/", **self._user
        )
        assert done.returncode == 0, done.stderr
