//! The whole server, from the outside: real sockets on port 0, real storage in a temporary directory.

mod support;

mod architecture;
mod backfill;
mod cluster;
mod command_line;
mod counters_and_ends;
mod evaluation;
mod experiments;
mod feedback;
mod following;
mod ingest_and_query;
mod ingest_socket;
mod ingest_to_websocket;
mod kill;
mod nats;
mod overload;
mod protocols;
mod resume;
mod rust_client;
mod shutdown;
mod sound;
mod statsd;
mod storage_failure;
mod supervision;
mod terminal;
mod upload;
