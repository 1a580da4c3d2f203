#!/usr/bin/env bash
# Prints a Java that Cassandra 5 runs on (17, or 11), or fails.
set -euo pipefail

for java in "${JAVA_HOME:-/nonexistent}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    [ -n "$java" ] && [ -x "$java" ] || continue
    case "$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)" in
        17 | 11)
            echo "$java"
            exit 0
            ;;
    esac
done
exit 1
