"""Real agents against a real server. The tests wait for states, at most LIMIT seconds."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIMIT = 60
CI = bool(os.environ.get("CI"))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """`earcon serve` on a free port and a new directory."""

    def __init__(self, work):
        self.log = open(work / "earcon.log", "w")
        command = [sys.argv_binary, "serve", "--listen", "127.0.0.1:0", "--data", str(work / "data")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if "http://" not in line:
            raise RuntimeError(f"no address in {line!r}; {(work / 'earcon.log').read_text()}")
        self.url = line[line.index("http://") :].split()[0].rstrip("/")

    def kpi(self, name, workspace="local"):
        """The KPI, or None until it has a series."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/workspaces/{workspace}/kpis/{name}", timeout=10) as answer:
                kpi = json.load(answer)
                return kpi if kpi["series"] else None
        except urllib.error.HTTPError as error:
            if error.code in (404, 503):
                return None
            raise

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()
        self.log.close()


class Exporter(http.server.BaseHTTPRequestHandler):
    """A scrape target with a gauge, a counter, and a series that can disappear."""

    with_shelf = True
    scrapes = 0

    def do_GET(self):
        Exporter.scrapes += 1
        lines = ["# TYPE shop_queue gauge", f"shop_queue {Exporter.scrapes % 5}", "# TYPE shop_orders_total counter"]
        lines.append(f'shop_orders_total{{region="eu"}} {Exporter.scrapes * 3}')
        if Exporter.with_shelf:
            lines.append("shop_shelf 1")
        body = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Agents(unittest.TestCase):
    def setUp(self):
        self.work = Path(tempfile.mkdtemp(prefix="earcon-agents-"))
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)
        self.server = Server(self.work)
        self.addCleanup(self.server.stop)

    def missing(self, what):
        if CI:
            self.fail(f"{what} is missing; scripts/setup.sh test installs it")
        self.skipTest(f"{what} is missing")

    def eventually(self, what, ask, log):
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            found = ask()
            if found:
                return found
            time.sleep(0.1)
        self.fail(f"never happened: {what}\n{log.read_text()[-4000:]}")

    def start(self, name, command, environment=None):
        log = self.work / f"{name}.log"
        output = open(log, "w")
        self.addCleanup(output.close)
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **(environment or {})})

        def end():
            process.terminate()
            process.wait(30)

        self.addCleanup(end)
        return process, log

    def test_prometheus_needs_only_a_url(self):
        prometheus = shutil.which("prometheus") or self.missing("prometheus")
        exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
        threading.Thread(target=exporter.serve_forever, daemon=True).start()
        self.addCleanup(exporter.server_close)
        self.addCleanup(exporter.shutdown)
        config = self.work / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            f"remote_write: [{{url: '{self.server.url}/api/v1/write'}}]\n"
            f"scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['127.0.0.1:{exporter.server_port}']}}]}}]\n"
        )
        _, log = self.start(
            "prometheus",
            [prometheus, f"--config.file={config}", f"--storage.tsdb.path={self.work / 'tsdb'}"]
            + [f"--web.listen-address=127.0.0.1:{free_port()}"],
        )
        for name in ("shop_queue", "shop_orders_total", "shop_shelf", "up", "scrape_duration_seconds"):
            kpi = self.eventually(name, lambda name=name: self.server.kpi(name), log)
            labels = kpi["series"][0]["labels"]
            self.assertEqual((labels["job"], labels["instance"]), ("shop", f"127.0.0.1:{exporter.server_port}"))
        self.assertEqual(self.server.kpi("shop_orders_total")["series"][0]["labels"]["region"], "eu")
        # A staleness marker must be accepted without a complaint.
        Exporter.with_shelf = False
        scrapes = Exporter.scrapes
        self.eventually("three more scrapes", lambda: Exporter.scrapes >= scrapes + 3, log)
        newest = self.server.kpi("shop_queue")["series"][0]["timestamp"]
        self.eventually("a newer sample", lambda: self.server.kpi("shop_queue")["series"][0]["timestamp"] > newest, log)
        for complaint in ("non-recoverable", "Failed to send batch", "server returned HTTP status"):
            self.assertNotIn(complaint, log.read_text())

    def test_the_opentelemetry_sdk_needs_only_an_endpoint(self):
        python = os.environ.get("OPENTELEMETRY_PYTHON")
        if not python or not Path(python).exists():
            self.missing("the OpenTelemetry SDK")
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": self.server.url, "OTEL_SERVICE_NAME": "shop"}
        app, log = self.start("opentelemetry", [python, str(HERE / "opentelemetry_app.py")], environment)
        self.assertEqual(app.wait(LIMIT), 0, log.read_text())
        for name in ("shop.orders", "shop.queue", "shop.latency.count", "shop.latency.sum", "shop.latency.p95"):
            kpi = self.eventually(name, lambda name=name: self.server.kpi(name), log)
            self.assertEqual(kpi["series"][0]["labels"]["service.name"], "shop", name)
        self.assertEqual(self.server.kpi("shop.orders")["series"][0]["labels"]["region"], "eu")
        self.assertNotIn("Failed to export", log.read_text())

    def test_telegraf_needs_only_urls(self):
        telegraf = os.environ.get("EARCON_TEST_TELEGRAF") or shutil.which("telegraf")
        if not telegraf:
            self.skipTest("telegraf is not installed; tests/it replays what it sends")
        config = self.work / "telegraf.conf"
        workspace = f"{self.server.url}/api/v1/workspaces/by-path"
        urllib.request.urlopen(urllib.request.Request(workspace, method="PUT"), timeout=10).close()
        config.write_text(
            '[agent]\ninterval = "1s"\nflush_interval = "1s"\nhostname = "here"\n[[inputs.mem]]\n[[inputs.system]]\n'
            f'[[outputs.influxdb]]\nurls = ["{self.server.url}"]\n'
            f'[[outputs.influxdb_v2]]\nurls = ["{workspace}"]\ntoken = "t"\norganization = "o"\nbucket = "b"\n'
        )
        _, log = self.start("telegraf", [telegraf, "--config", str(config)])
        for workspace in ("local", "by-path"):
            kpi = self.eventually(workspace, lambda: self.server.kpi("mem.used_percent", workspace), log)
            self.assertEqual(kpi["series"][0]["labels"], {"host": "here"})
        self.assertNotIn(" E! ", log.read_text())
        self.assertNotIn("creation failed", log.read_text())


if __name__ == "__main__":
    sys.argv_binary = sys.argv.pop(1)
    unittest.main(verbosity=2)
