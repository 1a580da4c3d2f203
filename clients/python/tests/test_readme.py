"""Runs the examples of the READMEs unchanged."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import httpx
import pytest

from conftest import run
from earcon import Client
from samples import now, ordinary, spike
from server import ROOT, Server


@pytest.mark.parametrize("readme", ["README.md", "clients/python/README.md"])
def test_readme_example_prints_an_anomaly(readme: str, server: Server, tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / readme).read_text(), re.MULTILINE | re.DOTALL)
    assert "http://127.0.0.1:7070" in example
    file = tmp_path / "example.py"
    file.write_text(example.replace("http://127.0.0.1:7070", server.url))

    async def test() -> None:
        async with Client(server.url) as client:
            kpi = f"readme.{len(readme)}"
            await client.ingest("local", ordinary(kpi, 120, now() - 60_000))
            before = await followers(server.url)
            environment = {**os.environ, "PYTHONPATH": str(ROOT / "clients/python/src"), "PYTHONUNBUFFERED": "1"}
            process = await asyncio.create_subprocess_exec(sys.executable, file, stdout=-1, env=environment)
            assert process.stdout is not None
            try:
                while await followers(server.url) == before:
                    assert process.returncode is None, "the example exited"
                    await asyncio.sleep(0.05)
                await client.ingest("local", spike(kpi, 6, now() - 59_000))
                while kpi not in (line := (await process.stdout.readline()).decode()):
                    assert line, "the example exited"
                # The line contains the value of the spike.
                assert re.search(r"40\d", line), line
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()

    run(test())


async def followers(url: str) -> float:
    """Returns the number of event subscribers of the server."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{url}/metrics")).text
    found = re.search(r"^earcon_subscribers(?:\{[^}]*\})? ([0-9.]+)", text, re.MULTILINE)
    return float(found[1]) if found else 0.0
