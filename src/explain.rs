//! Why an anomaly is one: how rare its value is at this hour of the day, which past anomalies are
//! similar, and a picture of it.
//!
//! Pure: the caller reads the history that is needed and passes it in. The sentence that needs no
//! history is in `live::sentence`.

pub mod picture;
pub mod rarity;
pub mod similar;
