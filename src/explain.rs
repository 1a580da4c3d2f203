//! Why an anomaly is one: how rare its value is at this hour, which past episodes were like it, and a picture of it.
//!
//! Pure: the caller reads the history it names and hands it over. What an anomaly says of itself, without history, is in
//! `live::sentence`.

pub mod picture;
pub mod rarity;
pub mod similar;
