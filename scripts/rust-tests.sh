#!/usr/bin/env bash
# Runs all Rust tests. Tests that need a server or a program are ignored by name, so this script
# decides which of them can run, and says so if some cannot. With CI set, a missing server is a
# failure.
#
# usage: scripts/servers/run.sh scripts/rust-tests.sh      (run.sh starts NATS and Cassandra)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly cargo="${CARGO:-cargo}"
# Tests of real time and of frozen processes need an idle machine and run last, one at a time. These
# are names of modules.
readonly apart=(--skip real_time --skip frozen)
data=()
[ -n "${EARCON_TEST_NAB:-}" ] || data+=(--skip numenta_corpus)
if [ -z "${EARCON_TEST_KPI:-}" ]; then
    echo "EARCON_TEST_KPI names no labelled KPIs: the detector is tested on generated data only." >&2
    data+=(--skip labelled_kpis)
fi

missing=()
for name in EARCON_TEST_NATS_SERVER EARCON_TEST_NATS_URL EARCON_TEST_CASSANDRA EARCON_TEST_CQL; do
    [ -n "${!name:-}" ] || missing+=("$name")
done

if [ "${#missing[@]}" -eq 0 ]; then
    ignored=(--include-ignored "${apart[@]}" "${data[@]}")
    alone=(real_time frozen)
elif [ -n "${CI:-}" ]; then
    echo "No server for ${missing[*]}: this is a failure because CI is set." >&2
    exit 1
else
    echo "No server for ${missing[*]}: the tests that need one are reported as ignored." >&2
    ignored=()
    alone=(real_time decoders)
fi

# A small file system, which a test fills. Mounting needs root, and containers may forbid it.
small_disk="$(mktemp -d)"
unmount() { mountpoint -q "$small_disk" && "${as_root[@]}" umount "$small_disk"; rmdir "$small_disk"; }
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
if "${as_root[@]}" mount -t tmpfs -o "size=192m,mode=700,uid=$(id -u)" tmpfs "$small_disk" 2>/dev/null; then
    export EARCON_TEST_SMALL_DISK="$small_disk"
    trap unmount EXIT
elif [ -n "${CI:-}" ]; then
    rmdir "$small_disk"
    echo "No right to mount a small file system: this is a failure because CI is set." >&2
    exit 1
else
    rmdir "$small_disk"
    echo "No right to mount a small file system: the tests that fill a disk do NOT run." >&2
    ignored+=(--skip full_disk_refuses --skip full_disk_costs --skip full_disk_passes_for)
fi

stage() { printf -- '--- %s (%s s)\n' "$1" "$SECONDS"; }

stage "compile all tests"
"$cargo" test --locked --workspace --lib --bins --tests --examples --no-run
stage "unit and integration tests"
"$cargo" test --locked --workspace --lib --bins --tests --examples -- "${ignored[@]}"
stage "benchmarks, once each"
"$cargo" test --locked --workspace --bench '*'
stage "examples in the documentation"
"$cargo" test --locked --workspace --doc
stage "tests of real time and of frozen processes, one at a time"
"$cargo" test --locked --workspace --lib --tests -- --ignored --test-threads=1 "${alone[@]}"
stage "done"
