//! This machine's own metrics: CPU, load, memory, swap, disks, network, pressure stall, processes
//! and temperatures.
//!
//! The values come from `sysinfo` and from Linux's `/proc`. Metrics that a machine lacks are
//! silently absent. Deliberately absent: a timer (the caller decides when to sample) and async (a
//! scrape reads small kernel files for a few hundred microseconds).
//!
//! | KPI | unit | label |
//! | --- | --- | --- |
//! | `host.cpu.busy_percent` | % of all cores | |
//! | `host.cpu.core_busy_percent` | % of one core | `core` |
//! | `host.load.1m`, `.5m`, `.15m` | runnable tasks | |
//! | `host.memory.used_percent`, `host.memory.used_bytes` | %, bytes | |
//! | `host.swap.used_percent`, `host.swap.used_bytes` | %, bytes | |
//! | `host.disk.read_bytes_per_second`, `host.disk.write_bytes_per_second` | bytes/s | `device` |
//! | `host.network.receive_bytes_per_second` | bytes/s | `interface` |
//! | `host.network.transmit_bytes_per_second` | bytes/s | `interface` |
//! | `host.pressure.{cpu,memory,io}_{some,full}_percent` | % of the last 10 s | |
//! | `host.processes` | processes | |
//! | `host.temperature_celsius` | °C | `sensor` |

use std::path::{Path, PathBuf};
use std::time::Instant;

use sysinfo::{Components, MINIMUM_CPU_UPDATE_INTERVAL, Networks, System};

use super::SourceSample;
use rates::Rates;
use scrape::Scrape;

mod kernel_text;
pub(crate) mod meanings;
mod rates;
mod scrape;

/// A sample of a series of this machine.
pub type HostSample = SourceSample;

/// Reads this machine's metrics. Keeps the counters of the previous scrape, because rates are
/// differences.
#[derive(Debug)]
pub struct HostSampler {
    system: Option<System>,
    networks: Option<Networks>,
    components: Option<Components>,
    proc: PathBuf,
    rates: Rates,
    started: Instant,
    cpu_read_at: Instant,
}

impl Default for HostSampler {
    fn default() -> Self {
        Self::new()
    }
}

impl HostSampler {
    /// A sampler with its first counters read. The first [`sample`](Self::sample) has no disk and
    /// network rates, and no CPU values if it follows within 200 ms.
    pub fn new() -> Self {
        Self::reading(Path::new("/proc"))
    }

    fn reading(proc: &Path) -> Self {
        let mut system = System::new().ok();
        if let Some(system) = &mut system {
            system.refresh_cpu_usage();
        }
        let now = Instant::now();
        Self {
            system,
            networks: Networks::new().ok(),
            components: Components::new().ok(),
            proc: proc.to_owned(),
            rates: Rates::default(),
            started: now,
            cpu_read_at: now,
        }
    }

    /// Reads all metrics once. The samples have the timestamp `now_ms` (milliseconds since the Unix
    /// epoch, UTC).
    ///
    /// Blocks while it reads a few dozen small kernel files. Rates use a monotonic clock, so that a
    /// step of the wall clock cannot distort them. No series appears twice in one scrape.
    pub fn sample(&mut self, now_ms: i64) -> Vec<HostSample> {
        let mut scrape = Scrape::at(now_ms);
        self.read_cpu(&mut scrape);
        read_load(&mut scrape);
        self.read_memory(&mut scrape);
        self.rates.begin(self.started.elapsed().as_secs_f64());
        self.read_disks(&mut scrape);
        self.read_networks(&mut scrape);
        self.rates.end();
        self.read_pressure(&mut scrape);
        self.read_processes(&mut scrape);
        self.read_temperatures(&mut scrape);
        scrape.into_samples()
    }

    fn read_cpu(&mut self, scrape: &mut Scrape) {
        let Some(system) = &mut self.system else { return };
        // Over a shorter span the busy share is mostly rounding, and sysinfo would repeat its last
        // value.
        if self.cpu_read_at.elapsed() < MINIMUM_CPU_UPDATE_INTERVAL {
            return;
        }
        system.refresh_cpu_usage();
        self.cpu_read_at = Instant::now();
        scrape.push("host.cpu.busy_percent", f64::from(system.global_cpu_usage()));
        for cpu in system.cpus() {
            let core = cpu.name().trim_start_matches("cpu");
            scrape.push_labelled("host.cpu.core_busy_percent", "core", core, f64::from(cpu.usage()));
        }
    }

    fn read_memory(&mut self, scrape: &mut Scrape) {
        let Some(system) = &mut self.system else { return };
        system.refresh_memory();
        scrape.push_share(
            "host.memory.used_percent",
            "host.memory.used_bytes",
            system.used_memory(),
            system.total_memory(),
        );
        scrape.push_share("host.swap.used_percent", "host.swap.used_bytes", system.used_swap(), system.total_swap());
    }

    fn read_disks(&mut self, scrape: &mut Scrape) {
        for disk in kernel_text::disks(&self.read_proc("diskstats")) {
            let mut rate = |kpi, counter| {
                if let Some(rate) = self.rates.rate(kpi, disk.device, counter) {
                    scrape.push_labelled(kpi, "device", disk.device, rate);
                }
            };
            rate("host.disk.read_bytes_per_second", disk.read_bytes);
            rate("host.disk.write_bytes_per_second", disk.written_bytes);
        }
    }

    fn read_networks(&mut self, scrape: &mut Scrape) {
        let Some(networks) = &mut self.networks else { return };
        networks.refresh(true);
        for (name, data) in networks.iter() {
            let (name, received, transmitted) =
                (name.to_string_lossy(), data.total_received(), data.total_transmitted());
            // An interface without traffic is a port without a cable, and its series would be flat.
            if !kernel_text::is_wanted_interface(&name) || (received == 0 && transmitted == 0) {
                continue;
            }
            let mut rate = |kpi, counter| {
                if let Some(rate) = self.rates.rate(kpi, &name, counter) {
                    scrape.push_labelled(kpi, "interface", &name, rate);
                }
            };
            rate("host.network.receive_bytes_per_second", received);
            rate("host.network.transmit_bytes_per_second", transmitted);
        }
    }

    fn read_pressure(&self, scrape: &mut Scrape) {
        let kpis = [
            // The kernel defines no `full` for the CPU of the whole machine and always reports
            // zero.
            ("pressure/cpu", "host.pressure.cpu_some_percent", None),
            ("pressure/memory", "host.pressure.memory_some_percent", Some("host.pressure.memory_full_percent")),
            ("pressure/io", "host.pressure.io_some_percent", Some("host.pressure.io_full_percent")),
        ];
        for (file, some, full) in kpis {
            let text = self.read_proc(file);
            if let Some(percent) = kernel_text::pressure(&text, "some") {
                scrape.push(some, percent);
            }
            if let Some((full, percent)) = full.zip(kernel_text::pressure(&text, "full")) {
                scrape.push(full, percent);
            }
        }
    }

    fn read_processes(&mut self, scrape: &mut Scrape) {
        let processes = std::fs::read_dir(&self.proc).map_or(0, |entries| {
            entries.flatten().filter(|entry| kernel_text::is_process(&entry.file_name().to_string_lossy())).count()
        });
        // At least this process runs, so zero means that the directory cannot be read.
        if processes > 0 {
            scrape.push("host.processes", processes as f64);
        }
    }

    fn read_temperatures(&mut self, scrape: &mut Scrape) {
        let Some(components) = &mut self.components else { return };
        components.refresh(true);
        for component in components.iter() {
            // Sensors that are not connected return the limits of their scale.
            if let Some(celsius) = component.temperature().filter(|celsius| (-60.0..=250.0).contains(celsius)) {
                scrape.push_labelled("host.temperature_celsius", "sensor", component.label(), f64::from(celsius));
            }
        }
    }

    /// The text of a file of `/proc`. Empty if it is missing or cannot be read.
    fn read_proc(&self, file: &str) -> String {
        std::fs::read(self.proc.join(file)).map_or_else(|_| String::new(), |b| String::from_utf8_lossy(&b).into_owned())
    }
}

fn read_load(scrape: &mut Scrape) {
    let Ok(load) = System::load_average() else { return };
    scrape.push("host.load.1m", load.one);
    scrape.push("host.load.5m", load.five);
    scrape.push("host.load.15m", load.fifteen);
}

#[cfg(test)]
mod tests;
