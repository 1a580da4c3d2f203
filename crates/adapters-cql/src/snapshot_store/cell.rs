//! The `snapshot` cell of a row. One cell holds everything, so a reader never sees parts of two
//! snapshots.
//!
//! `version u8 | kind u8 | seq i64 |` then the state (kind 0), or `id 16 bytes | chunks u32 | bytes
//! u64 | hash u64` (kind 1).

use uuid::Uuid;

use earcon_ports::{ErrorKind, PortError};

const VERSION: u8 = 1;
const HEADER: usize = 10;

/// The decoded cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) seq: i64,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// The state itself.
    Inline(Vec<u8>),
    /// A reference to the chunks of the state.
    Chunked(ChunkedState),
}

/// A state in the table of chunks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChunkedState {
    /// Its id in that table.
    pub(super) id: Uuid,
    /// Number of chunks.
    pub(super) count: u32,
    /// Total length of the chunks.
    pub(super) bytes: u64,
    /// xxh3 of all chunks together.
    pub(super) hash: u64,
}

pub(super) fn encode(seq: i64, content: &Content) -> Vec<u8> {
    let mut cell = vec![VERSION, u8::from(matches!(content, Content::Chunked(_)))];
    cell.extend_from_slice(&seq.to_le_bytes());
    match content {
        Content::Inline(state) => cell.extend_from_slice(state),
        Content::Chunked(chunks) => {
            cell.extend_from_slice(chunks.id.as_bytes());
            cell.extend_from_slice(&chunks.count.to_le_bytes());
            cell.extend_from_slice(&chunks.bytes.to_le_bytes());
            cell.extend_from_slice(&chunks.hash.to_le_bytes());
        }
    }
    cell
}

pub(super) fn decode(cell: &[u8]) -> Result<Cell, PortError> {
    read(cell).ok_or_else(|| PortError::new(ErrorKind::Corrupt, "a stored snapshot cannot be understood"))
}

fn read(cell: &[u8]) -> Option<Cell> {
    let (header, content) = cell.split_at_checked(HEADER)?;
    let seq = i64::from_le_bytes(header[2..].try_into().ok()?);
    let content = match (header[0], header[1]) {
        (VERSION, 0) => Content::Inline(content.to_vec()),
        (VERSION, 1) => {
            let (id, rest) = content.split_first_chunk::<16>()?;
            let (count, rest) = rest.split_first_chunk::<4>()?;
            let (bytes, rest) = rest.split_first_chunk::<8>()?;
            let hash: &[u8; 8] = rest.try_into().ok()?;
            Content::Chunked(ChunkedState {
                id: Uuid::from_bytes(*id),
                count: u32::from_le_bytes(*count),
                bytes: u64::from_le_bytes(*bytes),
                hash: u64::from_le_bytes(*hash),
            })
        }
        _ => return None,
    };
    Some(Cell { seq, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_round_trips_and_damage_is_an_error() {
        let chunks = ChunkedState { id: Uuid::from_u128(7), count: 3, bytes: 700_000, hash: u64::MAX };
        for content in [Content::Inline(vec![]), Content::Inline(vec![1, 2]), Content::Chunked(chunks)] {
            let cell = encode(i64::MAX, &content);
            assert_eq!(decode(&cell).unwrap(), Cell { seq: i64::MAX, content });
        }
        let whole = encode(1, &Content::Chunked(ChunkedState { id: Uuid::nil(), count: 1, bytes: 1, hash: 1 }));
        for cut in [0, 5, HEADER, whole.len() - 1] {
            assert_eq!(decode(&whole[..cut]).unwrap_err().kind, ErrorKind::Corrupt);
        }
        assert_eq!(decode(&[2; 40]).unwrap_err().kind, ErrorKind::Corrupt);
    }
}
