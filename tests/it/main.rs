//! The whole server, tested from outside: real sockets on port 0, real storage in a temporary
//! directory.
//!
//! Tests that need a server or a program of others are ignored, and the reason names it.
//! `scripts/servers/run.sh scripts/rust-tests.sh` starts the servers and runs them too. Tests of
//! real time are in modules called `real_time` and run alone.

mod support;

mod access;
mod architecture;
mod backfill;
mod budget;
mod clocks;
mod cluster;
mod command_line;
mod contexts;
mod counters_and_ends;
mod damaged_under_server;
mod data_directory;
mod deletion;
mod doors;
mod evaluation;
mod experiments;
mod feedback;
mod following;
mod full_disk;
mod incidents;
mod ingest_and_query;
mod ingest_socket;
mod ingest_to_websocket;
mod kill;
mod nats;
mod outbound;
mod overload;
mod protocols;
mod restored;
mod resume;
mod rust_client;
mod sentences;
mod shutdown;
mod sound;
mod statsd;
mod storage_failure;
mod supervision;
mod terminal;
mod tls;
mod upload;
mod watched_files;
mod words;
mod workspaces;
