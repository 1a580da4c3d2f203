#!/usr/bin/env bash
# Lets real agents send to a real server: Prometheus configured with a URL only, the OpenTelemetry
# SDK with an endpoint only, and Telegraf with URLs only. tests/data/agents also has recorded
# requests of Telegraf.
#
# usage: run.sh EARCON_BINARY
# The test of a missing agent is reported as skipped. With CI set that is a failure, except for
# Telegraf, which Debian lacks.
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
