//! The whole server, from the outside: real sockets on port 0, real storage in a temporary directory.

mod support;

mod architecture;
mod cluster;
mod command_line;
mod evaluation;
mod ingest_and_query;
mod ingest_to_websocket;
mod kill;
mod nats;
mod overload;
mod resume;
mod shutdown;
mod sound;
mod storage_failure;
mod supervision;
