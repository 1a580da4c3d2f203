"""Checks a real server against its own OpenAPI description, with schemathesis.

usage: run.py            (the server is the binary that EARCON_BIN names)

Two runs, both deterministic and bounded. The first uses names that exist, to reach the behaviour of the routes. The
second uses any names, to reach the refusals. No answer may be a 5xx. Each must have a documented status, content type
and body.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "clients/python/src"), str(ROOT / "clients/python/tests")]

from earcon import Client  # noqa: E402
from samples import now, ordinary, spike  # noqa: E402
from server import running  # noqa: E402

LEFT_OUT = r"/(events|live|live\.ogg|api/v1/write)$"
"""WebSockets (docs/asyncapi.yaml), server-sent events and endless files have no single answer.
Remote write accepts compressed protobuf only: tests/it and real agents cover it."""
EXAMPLES = 10
"""Random examples per operation and run. The coverage phase adds about thirty systematic ones."""
LIMIT_S = 240
"""Time limit in seconds. A run takes about ten; the rest is for a loaded machine."""
CONFIG = """
# The schemas have no rules between parameters: `from` before `to`, not too many steps, If-Match
# with the present revision. They have none about the clock either: no sample from the future.
# A request may follow the schemas and still be refused.
[[operations]]
include-path-regex = "/(samples|mixes/.mix.)$"
checks.positive_data_acceptance.enabled = false

# Bodies in formats of their own: their schema is only text or bytes.
# The words of alert rules are checked one by one.
[[operations]]
include-path-regex = "/(write|metrics|upload|query|rules|mute|mutes|mutes/.mute.)$"
checks.positive_data_acceptance.enabled = false
checks.negative_data_rejection.enabled = false

# Names that have to be there, what must not run twice, and rules between the parts of a body.
[[operations]]
include-path-regex = "/(detectors/.entry.|experiments|experiments/.experiment./[a-z]+|jobs)$"
checks.positive_data_acceptance.enabled = false
checks.negative_data_rejection.enabled = false

# Users, keys and secrets that have to be there, and the words of roles and permissions.
[[operations]]
include-path-regex = "^/api/v1/(session|organisations)|/tickets$"
checks.positive_data_acceptance.enabled = false

# The name in `confirm` has to be that of the path.
[[operations]]
include-path-regex = "/workspaces/.workspace.$"
include-method = "DELETE"
checks.positive_data_acceptance.enabled = false

# A batch with bad rows is taken without them, on purpose.
[[operations]]
include-path-regex = "/ingest$"
checks.positive_data_acceptance.enabled = false
checks.negative_data_rejection.enabled = false
"""
ANY_KPI = """
# JSON Schema has no class for letters of any script: the pattern of a KPI's name allows more than
# the rule, and the server refuses the rest.
[[operations]]
include-path-regex = "/kpis/.kpi.(/settings|/resume)?$"
checks.positive_data_acceptance.enabled = false
"""


def send(url: str, method: str, path: str, body: object) -> None:
    """Sends a request that must succeed."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/api/v1/workspaces/local{path}", data, method=method)
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


async def prepare(url: str) -> str:
    """Fills the server with data; returns the identifier of an anomaly."""
    async with Client(url) as client:
        start = now() - 60_000
        await client.ingest("local", ordinary("shop.revenue", 120, start))
        await client.ingest("local", spike("shop.revenue", 6, start + 1_000))
        deadline = time.monotonic() + 60
        send(url, "PUT", "/detectors/calm", {"detector": "season-reach-1", "options": {}})
        send(url, "POST", "/experiments", {"name": "try", "candidate": "calm"})
        send(url, "POST", "/jobs", {"kind": "train", "entry": "calm", "from": start})
        while time.monotonic() < deadline:
            async for anomaly in client.anomalies("local"):
                return anomaly.id
    raise RuntimeError("a spike made no anomaly that can be listed")


def check(url: str, name: str, config: str, folder: Path) -> bool:
    """Runs schemathesis; returns whether it found no fault."""
    file = folder / f"{name}.toml"
    file.write_text(config)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(file), "--no-color", "run"]
    command += [f"{url}/api/v1/openapi.json", "--exclude-path-regex", LEFT_OUT, "--phases", "examples,coverage,fuzzing"]
    command += ["--generation-deterministic", "--max-examples", str(EXAMPLES), "--workers", "1", "--warnings", "off"]
    command += ["--request-timeout", "60", "--suppress-health-check", "all"]
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, timeout=LIMIT_S, text=True, stdout=-1, stderr=subprocess.STDOUT)
    summary = done.stdout[done.stdout.rfind("= SUMMARY =") :] if done.returncode == 0 else done.stdout
    print(f"--- {name}: {'passed' if done.returncode == 0 else 'FAILED'} after {time.monotonic() - started:.0f} s")
    print(summary, flush=True)
    # A run without test cases must not pass.
    return done.returncode == 0 and "Test cases:" in done.stdout


def main() -> int:
    """Returns the exit status."""
    with running() as server, tempfile.TemporaryDirectory(prefix="earcon-openapi-") as folder:
        anomaly = asyncio.run(prepare(server.url))
        known = {"workspace": "local", "kpi": "shop.revenue", "id": anomaly, "mix": "default"}
        known |= {"entry": "calm", "experiment": "try", "job": "00000001"}
        pinned = "[parameters]\n" + "".join(f'"path.{name}" = "{value}"\n' for name, value in known.items())
        passed = [
            check(server.url, "known-names", pinned + CONFIG, Path(folder)),
            check(server.url, "any-names", CONFIG + ANY_KPI, Path(folder)),
        ]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
