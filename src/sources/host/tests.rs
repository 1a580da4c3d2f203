//! The sampler on this machine, and on a `/proc` made for the test.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use super::*;

fn value_of(samples: &[HostSample], kpi: &str, labels: &str) -> Option<f64> {
    samples.iter().find(|s| s.kpi.as_str() == kpi && s.labels.as_str() == labels).map(|s| s.sample.value)
}

fn fixture() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/proc");
    fs::create_dir(dir.path().join("pressure")).unwrap();
    for file in ["diskstats", "pressure/cpu", "pressure/memory"] {
        fs::copy(data.join(file), dir.path().join(file)).unwrap();
    }
    for process in ["1", "77", "4096", "self", "net"] {
        fs::create_dir(dir.path().join(process)).unwrap();
    }
    dir
}

/// Waits longer than the shortest span for CPU shares and rates.
fn let_time_pass() {
    std::thread::sleep(MINIMUM_CPU_UPDATE_INTERVAL + Duration::from_millis(20));
}

#[test]
fn this_machine_has_cpu_memory_and_load() {
    let mut sampler = HostSampler::new();
    let_time_pass();
    let samples = sampler.sample(1_767_225_600_000);
    let percent = 0.0..=100.0;
    assert!(percent.contains(&value_of(&samples, "host.cpu.busy_percent", "").unwrap()));
    assert!(percent.contains(&value_of(&samples, "host.cpu.core_busy_percent", "core:0").unwrap()));
    assert!(percent.contains(&value_of(&samples, "host.memory.used_percent", "").unwrap()));
    assert!(value_of(&samples, "host.memory.used_bytes", "").unwrap() > 1e6);
    assert!(value_of(&samples, "host.load.15m", "").unwrap() >= 0.0);
    assert!(samples.iter().all(|s| s.sample.timestamp_ms == 1_767_225_600_000));
    let series: HashSet<_> = samples.iter().map(|s| (s.kpi.as_str(), s.labels.as_str())).collect();
    assert_eq!(series.len(), samples.len(), "a series appears twice");
}

#[test]
fn proc_files_become_samples() {
    let proc = fixture();
    let samples = HostSampler::reading(proc.path()).sample(0);
    assert_eq!(value_of(&samples, "host.processes", ""), Some(3.0));
    assert_eq!(value_of(&samples, "host.pressure.cpu_some_percent", ""), Some(3.25));
    assert_eq!(value_of(&samples, "host.pressure.memory_full_percent", ""), Some(0.5));
    assert_eq!(value_of(&samples, "host.pressure.io_some_percent", ""), None);
}

#[test]
fn disk_rate_needs_two_scrapes_and_survives_a_counter_reset() {
    const READ: &str = "host.disk.read_bytes_per_second";
    let proc = fixture();
    let diskstats = |read: u64| {
        fs::write(proc.path().join("diskstats"), format!("8 0 sda 1 0 {read} 0 1 0 1000 0 0 0 0\n")).unwrap();
    };
    let mut sampler = HostSampler::reading(proc.path());
    let mut next = |read| {
        diskstats(read);
        let_time_pass();
        value_of(&sampler.sample(0), READ, "device:sda")
    };
    assert_eq!(next(1_000), None);
    assert!(next(9_000).unwrap() > 0.0);
    assert_eq!(next(5), None);
    assert_eq!(next(5), Some(0.0));
}

#[test]
fn missing_proc_leaves_the_other_metrics() {
    let empty = tempfile::tempdir().unwrap();
    let samples = HostSampler::reading(&empty.path().join("absent")).sample(0);
    assert!(value_of(&samples, "host.memory.used_percent", "").is_some());
    assert!(!samples.iter().any(|s| s.kpi.as_str().starts_with("host.pressure") || s.kpi.as_str() == "host.processes"));
}
