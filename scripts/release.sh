#!/usr/bin/env bash
# Builds the binary that is shipped: stripped, with its line tables in a file of its own.
#
# target/dist/earcon        the program, without debug information
# target/dist/earcon.debug  its line tables; next to the program, backtraces show files and lines
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target="${CARGO_TARGET_DIR:-target}"
"${CARGO:-cargo}" build --release --locked --bin earcon
mkdir -p "$target/dist"
cd "$target/dist"
objcopy --only-keep-debug --compress-debug-sections ../release/earcon earcon.debug
# A program that is running cannot be written to; a new file can take its name.
objcopy --strip-all --add-gnu-debuglink=earcon.debug ../release/earcon earcon.new
mv earcon.new earcon
ls -l earcon earcon.debug
