#!/usr/bin/env bash
# Fuzzes each parser for SECONDS, starting from fuzz/seeds and the corpus of earlier runs.
#
# usage: fuzz.sh SECONDS [TARGET]…
# Needs a nightly toolchain and cargo-fuzz:
# rustup toolchain install nightly; cargo install cargo-fuzz --locked
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly seconds="${1:?usage: fuzz.sh SECONDS [TARGET]…}"
shift
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(influx json remote_write otlp_protobuf otlp_json rules statsd collectd csv xlsx)
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "Fuzzing needs a nightly toolchain and cargo-fuzz:" >&2
    echo "    rustup toolchain install nightly && cargo install cargo-fuzz --locked" >&2
    exit 1
fi
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target"
    cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
done
