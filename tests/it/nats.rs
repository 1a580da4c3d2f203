//! NATS: events, samples and sound go out, samples come in. The server works without it.

mod fan_out;
mod ingest;
mod sound;
