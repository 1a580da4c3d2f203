//! NATS from the outside: events and samples go out, samples come in, sound is heard, and none of it is needed by the rest.

mod fan_out;
mod ingest;
mod sound;
