//! `[limits]`: the memory of KPIs and series.

use super::reader::Reader;

/// The memory of KPIs and series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the process.
    pub memory: Memory,
    /// The part of it that one workspace may use, in percent.
    pub workspace_percent: u64,
}

/// An amount of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// A part of the memory of the container or the machine.
    Auto,
    /// So many bytes.
    Bytes(u64),
}

impl Limits {
    pub(super) fn read(read: &mut Reader) -> Self {
        let text = read.optional("limits.memory").unwrap_or_default();
        let memory = memory(&text).unwrap_or_else(|| {
            let message = format!("must be \"auto\", \"512 MB\", \"4 GB\" or a number of bytes, not {text:?}");
            read.problem("limits.memory", message);
            Memory::Auto
        });
        Self { memory, workspace_percent: read.number("limits.workspace_percent", 1, 100) }
    }
}

/// Units are powers of 1024. At least a megabyte.
fn memory(text: &str) -> Option<Memory> {
    if text == "auto" {
        return Some(Memory::Auto);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit: u64 = match text[digits.len()..].trim() {
        "" => 1,
        "MB" | "MiB" => 1 << 20,
        "GB" | "GiB" => 1 << 30,
        _ => return None,
    };
    let bytes = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (bytes >= 1 << 20).then_some(Memory::Bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_automatic_or_has_a_unit() {
        let read = |text| memory(text);
        assert_eq!(read("auto"), Some(Memory::Auto));
        assert_eq!(read("512 MB"), Some(Memory::Bytes(512 << 20)));
        assert_eq!(read("4GiB"), Some(Memory::Bytes(4 << 30)));
        assert_eq!(read("2097152"), Some(Memory::Bytes(2 << 20)));
        for wrong in ["", "4", "4 KB", "-1 GB", "1.5 GB", "GB", "99999999999999 GB", "all"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
