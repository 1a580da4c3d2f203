"""Real agents against a real server. The tests wait for states, at most LIMIT seconds."""

import http.server
import json
import os
import re
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
# Seconds that the server is away in the middle of a test.
OUTAGE = 4
CI = bool(os.environ.get("CI"))


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(type=kind) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """`earcon serve` on a free port and a new directory. With accounts, it has a key that may read and send."""

    def __init__(self, work, accounts):
        self.work = work
        self.log = open(work / "earcon.log", "a")
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.statsd = free_port(socket.SOCK_DGRAM)
        self.accounts = accounts
        self.key = None
        printed = self.start()
        if accounts:
            self.key = self.claim(printed)

    def start(self):
        """Starts with the data that is there, at the same address. Returns what it prints until it is ready."""
        command = [sys.argv_binary, "serve", "--listen", self.address, "--data", str(self.work / "data")]
        settings = {"EARCON_STATSD__LISTEN": f"127.0.0.1:{self.statsd}", "EARCON_STATSD__FLUSH_SECONDS": "1"}
        if self.accounts:
            settings["EARCON_ACCOUNTS__REQUIRED"] = "true"
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, **settings}
        )
        printed = ""
        while f"ready at {self.url}" not in printed:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"no address in {printed!r}; {(self.work / 'earcon.log').read_text()}")
            printed += line
        return printed

    def ask(self, path, method="GET", body=None, headers=None):
        """The answer to a request with the key, as text."""
        headers = dict(headers or {})
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, method=method, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode(), answer.headers

    def claim(self, printed):
        """Becomes the first owner with the link that the server prints. Returns a new key."""
        secret = re.search(r"eo_[a-z2-7]+_[a-z2-7]+", printed)
        if secret is None:
            raise RuntimeError(f"no link for the first owner in {printed!r}")
        owner = {"secret": secret[0], "login": "anna", "name": "Anna", "password": "agents need no password"}
        text, headers = self.ask("/api/v1/session/claim", "POST", owner)
        cookies = [cookie.split(";")[0] for cookie in headers.get_all("set-cookie")]
        session = {"Cookie": "; ".join(cookies), "X-Earcon-CSRF": json.loads(text)["csrf"]}
        rights = {"name": "agents", "permissions": ["read", "ingest"], "workspaces": None}
        text, _ = self.ask("/api/v1/organisations/default/keys", "POST", rights, session)
        self.ask("/api/v1/workspaces/by-path", "PUT", headers=session)
        return json.loads(text)["key"]

    def outage(self):
        """Dies without a goodbye, is away, and comes back."""
        self.process.kill()
        self.process.wait(30)
        self.process.stdout.close()
        time.sleep(OUTAGE)
        self.start()

    def times(self, name, workspace="local"):
        """The times of the samples of a KPI in the last hour."""
        text, _ = self.ask(f"/api/v1/workspaces/{workspace}/kpis/{name}/samples?limit=10000")
        return [row[0] for series in json.loads(text)["series"] for row in series["samples"]]

    def kpi(self, name, workspace="local"):
        """The KPI, or None until it has a series."""
        try:
            text, _ = self.ask(f"/api/v1/workspaces/{workspace}/kpis/{name}")
            kpi = json.loads(text)
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
    """Each agent sends to a server, configured as in docs/ingest.md."""

    accounts = False

    def setUp(self):
        self.work = Path(tempfile.mkdtemp(prefix="earcon-agents-"))
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)
        self.server = Server(self.work, self.accounts)
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

    def exporter(self):
        Exporter.with_shelf, Exporter.scrapes = True, 0
        exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
        threading.Thread(target=exporter.serve_forever, daemon=True).start()
        self.addCleanup(exporter.server_close)
        self.addCleanup(exporter.shutdown)
        return f"127.0.0.1:{exporter.server_port}"

    def key_file(self):
        """The file with the key for an agent that reads one, or None."""
        if self.server.key is None:
            return None
        file = self.work / "earcon.key"
        file.write_text(self.server.key)
        return file

    def peer(self, name):
        """A program that scripts/peers.sh builds. Where it is not built, the test is skipped: building takes minutes."""
        peers = os.environ.get("EARCON_PEERS") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earcon" / "peers"
        program = Path(peers) / name
        if not program.exists():
            self.skipTest(f"{name} is not there; scripts/peers.sh {name} builds it")
        return str(program)

    def check_prometheus(self, prometheus, remote_write):
        """Everything that a Prometheus scraped arrives, also what it scraped while the server was away."""
        target = self.exporter()
        config = self.work / "prometheus.yml"
        key_file = self.key_file()
        authorization = f", authorization: {{credentials_file: '{key_file}'}}" if key_file else ""
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            f"remote_write: [{{url: '{self.server.url}/api/v1/write'{remote_write}{authorization}}}]\n"
            f"scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        listen = f"127.0.0.1:{free_port()}"
        _, log = self.start(
            "prometheus",
            [prometheus, f"--config.file={config}", f"--storage.tsdb.path={self.work / 'tsdb'}"]
            + [f"--web.listen-address={listen}"],
        )
        for name in ("shop_queue", "shop_orders_total", "shop_shelf", "up", "scrape_duration_seconds"):
            kpi = self.eventually(name, lambda name=name: self.server.kpi(name), log)
            labels = kpi["series"][0]["labels"]
            self.assertEqual((labels["job"], labels["instance"]), ("shop", target))
        self.assertEqual(self.server.kpi("shop_orders_total")["series"][0]["labels"]["region"], "eu")
        self.server.outage()
        # A staleness marker must be accepted without a complaint.
        Exporter.with_shelf = False
        scrapes = Exporter.scrapes
        self.eventually("three more scrapes", lambda: Exporter.scrapes >= scrapes + 3, log)
        scraped = self.scraped(listen, "shop_queue")
        self.assertGreater(len(scraped), OUTAGE)

        def missing():
            return set(scraped) - set(self.server.times("shop_queue"))

        self.eventually("all scrapes arrive", lambda: not missing(), log)
        for complaint in ("non-recoverable", "Failed to send batch", "server returned HTTP status"):
            self.assertNotIn(complaint, log.read_text())

    def scraped(self, prometheus, name):
        """The times at which Prometheus itself stored a sample, milliseconds."""
        ask = f"http://{prometheus}/api/v1/query?query={name}[10m]"
        with urllib.request.urlopen(ask, timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
        return [round(float(at) * 1_000) for series in result for at, _ in series["values"]]

    def test_prometheus_needs_only_a_url(self):
        self.check_prometheus(shutil.which("prometheus") or self.missing("prometheus"), "")

    def test_prometheus_3_with_remote_write_2(self):
        self.check_prometheus(self.peer("prometheus"), ", protobuf_message: io.prometheus.write.v2.Request")

    def test_vmagent_needs_only_a_url(self):
        target = self.exporter()
        config = self.work / "scrape.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            f"scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        _, log = self.start(
            "vmagent",
            [self.peer("vmagent"), f"-promscrape.config={config}", f"-remoteWrite.url={self.server.url}/api/v1/write"]
            + [f"-remoteWrite.tmpDataPath={self.work / 'queue'}", f"-httpListenAddr=127.0.0.1:{free_port()}"]
            + ([f"-remoteWrite.bearerTokenFile={key_file}"] if (key_file := self.key_file()) else []),
        )
        self.eventually("shop_queue", lambda: self.server.kpi("shop_queue"), log)
        self.server.outage()
        scrapes = Exporter.scrapes
        self.eventually("three more scrapes", lambda: Exporter.scrapes >= scrapes + 3, log)
        # It scrapes at its own times; each scrape that it made is a sample.
        self.eventually("all scrapes arrive", lambda: len(self.server.times("shop_queue")) >= scrapes, log)

    def test_the_opentelemetry_sdk_needs_only_an_endpoint(self):
        python = os.environ.get("AGENTS_PYTHON")
        if not python or not Path(python).exists():
            self.missing("the OpenTelemetry SDK")
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": self.server.url, "OTEL_SERVICE_NAME": "shop"}
        if self.server.key is not None:
            environment["OTEL_EXPORTER_OTLP_HEADERS"] = f"Authorization=Bearer%20{self.server.key}"
        app, log = self.start("opentelemetry", [python, str(HERE / "opentelemetry_app.py")], environment)
        self.eventually("shop.orders", lambda: self.server.kpi("shop.orders"), log)
        self.server.outage()
        self.assertEqual(app.wait(LIMIT), 0, log.read_text())
        for name in ("shop.orders", "shop.queue", "shop.latency.count", "shop.latency.sum", "shop.latency.p95"):
            kpi = self.eventually(name, lambda name=name: self.server.kpi(name), log)
            self.assertEqual(kpi["series"][0]["labels"]["service.name"], "shop", name)
        self.assertEqual(self.server.kpi("shop.orders")["series"][0]["labels"]["region"], "eu")
        self.assertNotIn("Failed to export", log.read_text())

    def test_the_client_of_influxdb_needs_only_an_address(self):
        python = os.environ.get("AGENTS_PYTHON")
        if not python or not Path(python).exists():
            self.missing("Python with the clients of tests/requirements.txt")
        environment = {"URL": self.server.url, "OUTAGE": str(OUTAGE), "TOKEN": self.server.key or "any"}
        app, log = self.start("influx", [python, str(HERE / "influx_app.py")], environment)
        self.eventually("shop.queue", lambda: self.server.kpi("shop.queue"), log)
        self.server.outage()
        self.assertEqual(app.wait(LIMIT), 0, log.read_text())
        written = [int(line.split()[1]) for line in log.read_text().splitlines() if line.startswith("written ")]
        self.assertGreater(len(written), OUTAGE)
        self.assertEqual(set(written) - set(self.server.times("shop.queue")), set(), log.read_text())

    def test_the_clients_of_statsd_need_only_an_address(self):
        python = os.environ.get("AGENTS_PYTHON")
        if not python or not Path(python).exists():
            self.missing("Python with the clients of tests/requirements.txt")
        environment = {"STATSD_PORT": str(self.server.statsd)}
        app, log = self.start("statsd", [python, str(HERE / "statsd_app.py")], environment)
        names = ("plain.queue", "plain.orders", "plain.wait.p95", "dog.queue", "dog.orders", "dog.wait.p95")
        for name in names:
            self.eventually(name, lambda name=name: self.server.kpi(name), log)
        self.assertEqual(self.server.kpi("dog.queue")["series"][0]["labels"], {"region": "eu"})
        self.server.outage()
        # What was sent meanwhile is lost, as it is with UDP. What is sent afterwards arrives.
        times = {name: self.server.times(name) for name in names}
        self.assertTrue(all(times.values()), times)
        newest = {name: times[name][-1] for name in names}
        for name in names:
            self.eventually(name, lambda name=name: self.server.times(name)[-1] > newest[name], log)
        self.assertIsNone(app.poll(), log.read_text())

    def test_collectd_needs_only_a_url(self):
        collectd = shutil.which("collectd") or (shutil.which("collectd", path="/usr/sbin")) or self.missing("collectd")
        config = self.work / "collectd.conf"
        key = "" if self.server.key is None else f'Header "Authorization: Bearer {self.server.key}"\n'
        # A small buffer is sent soon.
        config.write_text(
            f'Hostname "here"\nBaseDir "{self.work}"\nPIDFile "{self.work}/collectd.pid"\nInterval 1\n'
            "LoadPlugin load\nLoadPlugin memory\nLoadPlugin uptime\nLoadPlugin write_http\n"
            f'<Plugin write_http>\n<Node "earcon">\nURL "{self.server.url}/collectd/write"\n'
            f'Format "JSON"\nStoreRates false\nBufferSize 1024\n{key}</Node>\n</Plugin>\n'
        )
        _, log = self.start("collectd", [collectd, "-f", "-C", str(config)])
        kpi = self.eventually("memory", lambda: self.server.kpi("memory"), log)
        self.assertEqual(kpi["series"][0]["labels"]["host"], "here")
        for name in ("load.shortterm", "uptime"):
            self.eventually(name, lambda name=name: self.server.kpi(name), log)
        self.server.outage()
        # collectd keeps nothing while it cannot write. What it reads afterwards arrives.
        newest = self.server.times("uptime")[-1]
        self.eventually("a newer sample", lambda: self.server.times("uptime")[-1] > newest, log)

    def test_telegraf_needs_only_urls(self):
        telegraf = os.environ.get("EARCON_TEST_TELEGRAF") or shutil.which("telegraf")
        if not telegraf:
            self.skipTest("telegraf is not installed; tests/it replays what it sends")
        config = self.work / "telegraf.conf"
        workspace = f"{self.server.url}/api/v1/workspaces/by-path"
        if self.server.key is None:
            self.server.ask("/api/v1/workspaces/by-path", "PUT")
        key = "" if self.server.key is None else f'username = "earcon"\npassword = "{self.server.key}"\n'
        config.write_text(
            '[agent]\ninterval = "1s"\nflush_interval = "1s"\nhostname = "here"\n[[inputs.mem]]\n[[inputs.system]]\n'
            f'[[outputs.influxdb]]\nurls = ["{self.server.url}"]\n{key}'
            f'[[outputs.influxdb_v2]]\nurls = ["{workspace}"]\ntoken = "{self.server.key or "t"}"\norganization = "o"\nbucket = "b"\n'
        )
        _, log = self.start("telegraf", [telegraf, "--config", str(config)])
        for workspace in ("local", "by-path"):
            kpi = self.eventually(workspace, lambda: self.server.kpi("mem.used_percent", workspace), log)
            self.assertEqual(kpi["series"][0]["labels"], {"host": "here"})
        self.assertNotIn(" E! ", log.read_text())
        self.assertNotIn("creation failed", log.read_text())


class AgentsWithKeys(Agents):
    """The same on a server with accounts. All but those of StatsD, which has no place for one, carry a key."""

    accounts = True

    def test_a_sender_without_a_key_is_refused(self):
        line = urllib.request.Request(f"{self.server.url}/write", data=b"shop queue=1")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(line, timeout=10)
        self.assertEqual(refused.exception.code, 401)


if __name__ == "__main__":
    sys.argv_binary = sys.argv.pop(1)
    unittest.main(verbosity=2)
