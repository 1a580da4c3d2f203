#!/usr/bin/env bash
# Runs one Apache Cassandra node in the foreground, from the jars in the cache (see setup.sh).
#
# usage: cassandra.sh DIRECTORY CQL_PORT STORAGE_PORT [HEAP_MEGABYTES]
# DIRECTORY holds the configuration, data and logs. A restart with the same one finds its data.
set -euo pipefail

readonly directory="$1" cql_port="$2" storage_port="$3" heap="${4:-1024}"
readonly cache="${EARCON_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/earcon}"
readonly jars="$cache/cassandra"

[ -d "$jars" ] || { echo "no Cassandra in $jars; run scripts/servers/setup.sh" >&2; exit 1; }
java="$("$(dirname "${BASH_SOURCE[0]}")/java.sh")" || { echo "Cassandra needs Java 17" >&2; exit 1; }
mkdir -p "$directory"/{conf,data,logs}
root="$(cd "$directory" && pwd)"
readonly root

cat >"$root/conf/cassandra.yaml" <<YAML
cluster_name: earcon-test
num_tokens: 4
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "127.0.0.1:$storage_port"
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
native_transport_port: $cql_port
storage_port: $storage_port
data_file_directories: ["$root/data/data"]
commitlog_directory: $root/data/commitlog
saved_caches_directory: $root/data/saved_caches
hints_directory: $root/data/hints
cdc_raw_directory: $root/data/cdc_raw
commitlog_sync: group
commitlog_sync_group_window: 5ms
commitlog_segment_size: 16MiB
memtable_heap_space: 256MiB
auto_snapshot: false
auto_bootstrap: false
authenticator: AllowAllAuthenticator
authorizer: AllowAllAuthorizer
YAML

cat >"$root/conf/logback.xml" <<'XML'
<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{HH:mm:ss.SSS} %-5level %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="out"/></root>
  <logger name="org.apache.cassandra.service.CassandraDaemon" level="INFO"/>
  <logger name="org.apache.cassandra.transport" level="INFO"/>
</configuration>
XML

# The options of Cassandra's jvm17-server.options, which is not part of the jars.
opens=()
for package in java.lang java.lang.module java.lang.reflect java.io java.net java.nio java.util java.util.concurrent \
    java.util.concurrent.atomic sun.nio.ch jdk.internal.loader jdk.internal.math jdk.internal.misc jdk.internal.module \
    jdk.internal.ref jdk.internal.reflect jdk.internal.util.jar; do
    opens+=("--add-opens=java.base/$package=ALL-UNNAMED")
done
for export in java.base/jdk.internal.misc java.base/jdk.internal.ref java.base/sun.nio.ch java.sql/java.sql \
    java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.rmi/sun.rmi.transport.tcp \
    java.management.rmi/com.sun.jmx.remote.internal.rmi; do
    opens+=("--add-exports=$export=ALL-UNNAMED")
done
opens+=("--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED")

exec "$java" "${opens[@]}" -Xms"${heap}m" -Xmx"${heap}m" -XX:+UseG1GC -XX:ActiveProcessorCount=2 -Xss256k \
    -Djdk.attach.allowAttachSelf=true -Djava.net.preferIPv4Stack=true -Dcassandra.jmx.local.port=0 \
    -Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.ring_delay_ms=100 -Dcassandra.max_local_pause_in_ms=60000 \
    -Dcassandra.config="file://$root/conf/cassandra.yaml" -Dlogback.configurationFile="$root/conf/logback.xml" \
    -Dcassandra.storagedir="$root/data" -Dcassandra.logdir="$root/logs" -Dcassandra-foreground=yes \
    -cp "$root/conf:$jars/*" org.apache.cassandra.service.CassandraDaemon
