//! Messages between nodes as bytes. A version in front lets nodes of different versions notice each
//! other.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

const VERSION: u8 = 1;

/// Encodes a message.
///
/// # Errors
/// Never for commands, their replies and audio; the encoder's error is passed on as text.
pub fn encode<T: Serialize>(message: &T) -> Result<Bytes, String> {
    postcard::to_extend(message, vec![VERSION]).map(Bytes::from).map_err(|error| error.to_string())
}

/// Decodes a message; `None` if it is of another version or damaged.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::actors::mix::MixView;
    use crate::actors::workspace::command::{AnyCommand, DescribeStatus, Ingest, MixNotChanged, OwnerError};
    use earcon_audio::{MixSettings, Mode};
    use earcon_model::{Arrival, KpiBatch, KpiName, Labels, Reading, Sample, SeriesBatch};

    #[test]
    fn commands_and_replies_are_decoded_as_they_were() {
        let rows = vec![(7, Sample { timestamp_ms: -5, value: 0.1 })];
        let labels = Labels::parse("k:v").unwrap();
        let series =
            SeriesBatch { reading: Reading::Counter, ended_at_ms: Some(3), ..SeriesBatch::gauge(labels, rows) };
        let batch = KpiBatch { kpi: KpiName::new("a.b").unwrap(), series: vec![series] };
        let command = AnyCommand::from(Ingest { batches: vec![batch.clone()], arrival: Arrival::Backfill });
        let Some(AnyCommand::Ingest(Ingest { batches, arrival })) = decode(&encode(&command).unwrap()) else {
            panic!()
        };
        assert_eq!((batches, arrival), (vec![batch], Arrival::Backfill));

        type Reply = Result<Result<MixView, MixNotChanged>, OwnerError>;
        let view = MixView {
            settings: MixSettings { mode: Mode::Cues, ..MixSettings::default() },
            revision: 3,
            listeners: 1,
            running: true,
            sounding: Arc::default(),
        };
        let reply: Reply = Ok(Ok(view.clone()));
        let Some(Ok(Ok(back))) = decode::<Reply>(&encode(&reply).unwrap()) else { panic!() };
        assert_eq!((back.settings, back.revision), (view.settings, 3));
        let refusal = encode(&Err::<(), _>(OwnerError::Unavailable)).unwrap();
        assert!(matches!(decode::<Reply>(&refusal), Some(Err(OwnerError::Unavailable))), "it fits each reply");
    }

    #[test]
    fn other_versions_and_damage_are_noticed() {
        let mut bytes = encode(&AnyCommand::from(DescribeStatus)).unwrap().to_vec();
        bytes[0] = VERSION + 1;
        assert!(decode::<AnyCommand>(&bytes).is_none());
        assert!(decode::<AnyCommand>(&[]).is_none());
        assert!(decode::<AnyCommand>(&[VERSION, 200]).is_none());
    }
}
