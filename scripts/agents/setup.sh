#!/usr/bin/env bash
# Puts the agents that the tests run into a cache, once: the OpenTelemetry SDK of Python in an environment of its own.
# Prometheus comes from Debian (scripts/setup.sh).
set -euo pipefail
readonly cache="${EARCON_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/earcon}"
readonly SDK=1.45.2

mkdir -p "$cache"
if [ ! -x "$cache/opentelemetry-$SDK/bin/python" ]; then
    echo "Downloading the OpenTelemetry SDK $SDK"
    rm -rf "$cache/opentelemetry.partial" "$cache/opentelemetry-$SDK"
    python3 -m venv "$cache/opentelemetry.partial"
    "$cache/opentelemetry.partial/bin/python" -m pip install --quiet --disable-pip-version-check \
        "opentelemetry-sdk==$SDK" "opentelemetry-exporter-otlp-proto-http==$SDK"
    # The interpreter is found by its link, so the directory may get its name when it is whole.
    mv "$cache/opentelemetry.partial" "$cache/opentelemetry-$SDK"
fi
echo "$cache/opentelemetry-$SDK/bin/python" >"$cache/opentelemetry-python"
