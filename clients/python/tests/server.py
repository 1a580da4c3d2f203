"""Starts the server binary that EARCON_BIN names, on a free port, with a new data directory."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0
ROOT = Path(__file__).resolve().parents[3]


def binary() -> str:
    """Returns the path of the server binary."""
    built = [ROOT / "target" / profile / "earcon" for profile in ("release", "debug")]
    named = os.environ.get("EARCON_BIN") or next((str(path) for path in built if path.exists()), None)
    if named is None or not Path(named).exists():
        raise FileNotFoundError("there is no earcon binary: build it, or name it in EARCON_BIN")
    return named


class Server:
    """A running server."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._process, self.url = self._launch("127.0.0.1:0")

    def kill(self) -> None:
        """Kills the server with SIGKILL."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Restarts the server with the same port and data."""
        self._process, self.url = self._launch(self.url.removeprefix("http://"))

    def stop(self) -> None:
        """Stops the server gracefully with SIGTERM."""
        self._end(signal.SIGTERM)

    def _launch(self, listen: str) -> tuple[subprocess.Popen[bytes], str]:
        command = [binary(), "serve", "--listen", listen, "--data", str(self._data / "data")]
        with open(self._data / "log", "ab") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        out = b""
        deadline = time.monotonic() + START_WITHIN_S
        while (remaining := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([process.stdout], [], [], remaining)
            chunk = os.read(process.stdout.fileno(), 4_096) if ready else b""
            if not chunk:
                break
            out += chunk
            if address := re.search(rb"http://127\.0\.0\.1:\d+", out):
                return process, address[0].decode()
        process.kill()
        process.wait()
        raise RuntimeError(f"the server did not start: {out!r}\n{(self._data / 'log').read_text()[-4_000:]}")

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def running() -> Iterator[Server]:
    """Runs a server until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="earcon-test-", ignore_cleanup_errors=True) as data:
        server = Server(Path(data))
        try:
            yield server
        finally:
            server.stop()
