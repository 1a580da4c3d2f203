//! Parsers of text files under `/proc`. Pure: invalid lines are skipped.

/// The unit of `/proc/diskstats`, for any sector size of the device (kernel,
/// `Documentation/admin-guide/iostats.rst`).
const SECTOR_BYTES: u64 = 512;

/// Virtual devices: their traffic is counted on the device below, or stays in memory.
const VIRTUAL_DISKS: [&str; 7] = ["loop", "ram", "zram", "sr", "fd", "dm-", "md"];

/// Virtual interfaces: their traffic is counted on a physical one, or never leaves the machine.
const VIRTUAL_INTERFACES: [&str; 10] =
    ["veth", "docker", "br-", "virbr", "vnet", "cni", "cali", "flannel", "dummy", "ifb"];

/// The byte counters of one disk since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DiskCounters<'a> {
    pub(super) device: &'a str,
    pub(super) read_bytes: u64,
    pub(super) written_bytes: u64,
}

/// The whole disks of `/proc/diskstats`: without virtual devices, partitions of a listed disk, and
/// devices without traffic.
pub(super) fn disks(diskstats: &str) -> Vec<DiskCounters<'_>> {
    let all: Vec<_> = diskstats.lines().filter_map(disk).collect();
    let is_partition = |device: &str| all.iter().any(|disk| is_partition_of(device, disk.device));
    all.iter()
        .filter(|disk| !VIRTUAL_DISKS.iter().any(|prefix| disk.device.starts_with(prefix)))
        .filter(|disk| disk.read_bytes > 0 || disk.written_bytes > 0)
        .filter(|disk| !is_partition(disk.device))
        .copied()
        .collect()
}

/// Parses one line: `major minor device reads merged sectors ms writes merged sectors …`.
fn disk(line: &str) -> Option<DiskCounters<'_>> {
    let mut fields = line.split_ascii_whitespace();
    let device = fields.nth(2)?;
    let read_sectors: u64 = fields.nth(2)?.parse().ok()?;
    let written_sectors: u64 = fields.nth(3)?.parse().ok()?;
    Some(DiskCounters {
        device,
        read_bytes: read_sectors.checked_mul(SECTOR_BYTES)?,
        written_bytes: written_sectors.checked_mul(SECTOR_BYTES)?,
    })
}

/// `sda1` is a partition of `sda`; `nvme0n1p2` of `nvme0n1`: a disk whose name ends in a digit puts
/// a `p` between.
fn is_partition_of(device: &str, disk: &str) -> bool {
    let Some(rest) = device.strip_prefix(disk) else { return false };
    let number = if disk.ends_with(|c: char| c.is_ascii_digit()) { rest.strip_prefix('p') } else { Some(rest) };
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The `avg10` of the line `kind` (`some` or `full`) of a pressure-stall file: percent of the last
/// ten seconds.
pub(super) fn pressure(text: &str, kind: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.split_ascii_whitespace().next() == Some(kind))?;
    let average = line.split_ascii_whitespace().find_map(|field| field.strip_prefix("avg10="))?;
    average.parse().ok().filter(|percent| (0.0..=100.0).contains(percent))
}

/// Whether the interface exchanges traffic with other machines.
pub(super) fn is_wanted_interface(name: &str) -> bool {
    !matches!(name, "lo" | "lo0") && !VIRTUAL_INTERFACES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether an entry of `/proc` is a process.
pub(super) fn is_process(entry: &str) -> bool {
    !entry.is_empty() && entry.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISKSTATS: &str = include_str!("../../../tests/data/proc/diskstats");

    #[test]
    fn only_whole_physical_disks_are_kept() {
        let devices: Vec<&str> = disks(DISKSTATS).iter().map(|disk| disk.device).collect();
        assert_eq!(devices, ["sda", "nvme0n1", "mmcblk0", "xvdb1"]);
    }

    #[test]
    fn sectors_become_bytes() {
        let sda = disks(DISKSTATS)[0];
        assert_eq!((sda.read_bytes, sda.written_bytes), (8_150_210 * 512, 14_431_544 * 512));
    }

    #[test]
    fn damaged_disk_lines_are_skipped() {
        for odd in
            ["", "\n\n", "8 0", "8 0 sda 1 2", "8 0 sda 1 2 x 4 5 6 7", "8 0 sda 1 2 99999999999999999999 4 5 6 7"]
        {
            assert_eq!(disks(odd), [], "{odd:?}");
        }
        let overflowing = format!("8 0 sda 1 2 {} 4 5 6 7", u64::MAX);
        assert_eq!(disks(&overflowing), []);
    }

    #[test]
    fn pressure_is_the_ten_second_average_of_the_given_kind() {
        let text = include_str!("../../../tests/data/proc/pressure/memory");
        assert_eq!(pressure(text, "some"), Some(12.34));
        assert_eq!(pressure(text, "full"), Some(0.5));
    }

    #[test]
    fn pressure_of_invalid_texts_is_absent() {
        for odd in [
            "",
            "some",
            "some avg10=",
            "some avg10=x",
            "some avg60=1.0",
            "full avg10=1.0",
            "some avg10=NaN",
            "some avg10=-1",
        ] {
            assert_eq!(pressure(odd, "some"), None, "{odd:?}");
        }
    }

    #[test]
    fn virtual_interfaces_are_excluded() {
        for wanted in ["eth0", "enp3s0", "wlan0", "wg0", "tailscale0", "bond0", "en0"] {
            assert!(is_wanted_interface(wanted), "{wanted}");
        }
        for noise in ["lo", "lo0", "veth12ab", "docker0", "br-9f", "virbr0", "ifb0"] {
            assert!(!is_wanted_interface(noise), "{noise}");
        }
    }

    #[test]
    fn processes_are_the_numbered_entries() {
        assert!(is_process("1") && is_process("40961"));
        assert!(!is_process("self") && !is_process("1a") && !is_process(""));
    }
}
