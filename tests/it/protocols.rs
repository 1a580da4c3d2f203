//! What agents speak: Influx line protocol, Prometheus remote write, OTLP, and the rules for their names.

mod influx;
mod otlp;
mod remote_write;
mod rules;
