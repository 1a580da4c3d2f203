//! Requests over HTTP, from any sender: paths, names, closes, and limits of time and room.

mod answers;
mod names;
mod paths;
mod program;
mod refused;
mod room;
mod sockets;
mod time;
mod units;
