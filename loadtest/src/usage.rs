//! CPU time and memory of a process, from `/proc`.

use anyhow::Context;

/// Ticks per second in `/proc/PID/stat`. Linux fixes it at 100 for user space on all architectures.
const TICKS: f64 = 100.0;

/// User and system time of a process so far, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("reading {path}: has the server ended?"))?;
    stat_cpu_seconds(&stat).with_context(|| format!("{path} is not as expected"))
}

/// Fields 14 and 15, counted after the name, which may contain spaces and brackets.
fn stat_cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

/// Resident memory of a process, bytes (`Rss` of `smaps_rollup`). Excludes socket buffers of the
/// kernel.
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}: has the server ended?"))?;
    rollup_resident_bytes(&text).with_context(|| format!("{path} has no Rss"))
}

fn rollup_resident_bytes(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1_024.0)
}

/// Load average of the last minute. In a `compare` it includes the previous targets.
pub(crate) fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Number of available cores.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Number of open file descriptors of a process.
pub(crate) fn open_files(pid: u32) -> anyhow::Result<usize> {
    let path = format!("/proc/{pid}/fd");
    Ok(std::fs::read_dir(&path).with_context(|| format!("reading {path}"))?.count())
}

/// Waits until memory is stable (less than 0.5 % change within half a second), at most 10 s.
/// Returns it.
pub(crate) async fn settled_resident_bytes(pid: u32) -> anyhow::Result<f64> {
    let mut before = resident_bytes(pid)?;
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let now = resident_bytes(pid)?;
        if (now - before).abs() < before * 0.005 {
            return Ok(now);
        }
        before = now;
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_with_spaces_and_brackets_does_not_shift_fields() {
        let stat = "42 (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 250 50 0 0 20 0 1 0 0";
        assert_eq!(stat_cpu_seconds(stat), Some(3.0));
        assert_eq!(stat_cpu_seconds("nonsense"), None);
    }

    #[test]
    fn resident_memory_is_parsed() {
        let text = "00400000-7ff [rollup]\nRss:                2048 kB\nPss:                1024 kB\n";
        assert_eq!(rollup_resident_bytes(text), Some(2_097_152.0));
    }

    #[test]
    fn usage_of_this_process_is_read() {
        let pid = std::process::id();
        assert!(cpu_seconds(pid).is_ok() && resident_bytes(pid).is_ok_and(|bytes| bytes > 0.0));
        assert!(open_files(pid).is_ok_and(|count| count > 0));
        assert!(load_average().is_some_and(|load| load >= 0.0) && cores() > 0);
    }
}
