#!/usr/bin/env bash
# Lets real agents send to a real server, each configured with an address only, and ends the server
# in the middle: Prometheus, vmagent, collectd, Telegraf, the OpenTelemetry SDK, and the clients of
# InfluxDB, StatsD and Datadog. tests/data/agents also has recorded requests of Telegraf.
#
# usage: run.sh EARCON_BINARY
# The test of a missing agent is reported as skipped. With CI set that is a failure, except for
# agents that Debian lacks: Telegraf, and Prometheus 3 and vmagent, which scripts/peers.sh builds in
# minutes.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly here
if python="$("$here/../python.sh")"; then
    export AGENTS_PYTHON="$python"
else
    [ -z "${CI:-}" ] || exit 1
    echo "The tests of agents in Python will be skipped." >&2
fi
exec python3 "$here/test_agents.py" "$1"
