//! How much memory this process may use for KPIs and series.

use std::path::{Path, PathBuf};

use crate::actors::series_budget::SeriesLimits;
use crate::config::{Limits, Memory};

/// Where Linux shows control groups.
const CGROUPS: &str = "/sys/fs/cgroup";
/// Memory that is assumed if it cannot be read.
const UNKNOWN: u64 = 4 << 30;

/// The limits as configured.
pub(super) fn series_limits(limits: &Limits) -> SeriesLimits {
    let process = match limits.memory {
        Memory::Bytes(bytes) => bytes,
        // The other half is for samples in flight, caches, history, answers and the system.
        Memory::Auto => available() / 2,
    };
    let workspace = (u128::from(process) * u128::from(limits.workspace_percent) / 100) as u64;
    tracing::info!(process_mb = process >> 20, workspace_mb = workspace >> 20, "memory for KPIs and series");
    SeriesLimits { process, workspace }
}

/// The memory of the container, or of the machine if that is less.
fn available() -> u64 {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| total(&text));
    let group = read(Path::new("/proc/self/cgroup")).and_then(|text| group_limit(&group_files(&text), read));
    [machine, group].into_iter().flatten().min().unwrap_or(UNKNOWN)
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// The files that may limit the memory of the process whose `/proc/self/cgroup` this is: those of
/// its group and of all groups above it, of version 2, and the one of version 1.
fn group_files(cgroup: &str) -> Vec<PathBuf> {
    let mut files = vec![Path::new(CGROUPS).join("memory/memory.limit_in_bytes")];
    let own = cgroup.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let mut group = Some(Path::new(own));
    while let Some(path) = group {
        files.push(Path::new(CGROUPS).join(path).join("memory.max"));
        group = path.parent();
    }
    files
}

/// The least limit of these files. `max` is no limit.
fn group_limit(files: &[PathBuf], read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    files.iter().filter_map(|path| read(path)?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_all_groups_counts() {
        let files = group_files("12:cpu:/x\n0::/a/b\n");
        let text = |path: &Path| match path.to_str()? {
            "/sys/fs/cgroup/a/b/memory.max" => Some("max\n".to_owned()),
            "/sys/fs/cgroup/a/memory.max" => Some("1000\n".to_owned()),
            "/sys/fs/cgroup/memory.max" => Some("5000\n".to_owned()),
            _ => None,
        };
        assert_eq!(group_limit(&files, text), Some(1_000));
        assert_eq!(group_limit(&group_files("0::/\n"), text), Some(5_000), "as a container sees its own group");
        assert_eq!(group_limit(&files, |_| None), None);
    }

    #[test]
    fn the_memory_of_a_machine_is_in_kilobytes() {
        assert_eq!(total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
        assert_eq!(total("nonsense"), None);
    }

    #[test]
    fn a_workspace_has_its_share() {
        let limits = Limits { memory: Memory::Bytes(1_000), workspace_percent: 80 };
        assert_eq!(series_limits(&limits), SeriesLimits { process: 1_000, workspace: 800 });
        let auto = series_limits(&Limits { memory: Memory::Auto, ..limits });
        assert!(auto.process > 0 && auto.workspace < auto.process);
    }
}
