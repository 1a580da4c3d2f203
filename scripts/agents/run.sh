#!/usr/bin/env bash
# Lets real agents send to a real server: Prometheus with nothing but a URL, the OpenTelemetry SDK with nothing but an endpoint,
# and Telegraf with nothing but urls where it is installed (what it sends is also recorded in tests/data/agents).
#
# usage: run.sh EARCON_BINARY
# What is not there is skipped and named; with CI set that is a failure, except for Telegraf, which Debian does not have.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly here
if python="$("$here/../python.sh")"; then
    export OPENTELEMETRY_PYTHON="$python"
else
    [ -z "${CI:-}" ] || exit 1
    echo "The test with the OpenTelemetry SDK will be skipped."
fi
exec python3 "$here/test_agents.py" "$1"
