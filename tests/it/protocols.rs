//! Protocols of agents: Influx line protocol, Prometheus remote write, OTLP, and naming rules.

mod influx;
mod metrics;
mod otlp;
mod remote_write;
mod rules;
