//! Units and descriptions of this machine's metrics.

use earcon_model::{KpiName, Meaning};

/// The beginning of a name, its end, the unit and the description.
const MEANINGS: [(&str, &str, &str, &str); 14] = [
    ("host.cpu.busy", "_percent", "%", "Busy part of all cores"),
    ("host.cpu.core_busy", "_percent", "%", "Busy part of one core"),
    ("host.load", "", "{tasks}", "Tasks that run or wait, as a moving average"),
    ("host.memory", "_percent", "%", "Part of the memory in use"),
    ("host.memory", "_bytes", "By", "Memory in use"),
    ("host.swap", "_percent", "%", "Part of the swap space in use"),
    ("host.swap", "_bytes", "By", "Swap space in use"),
    ("host.disk.read", "", "By/s", "Bytes read from a disk"),
    ("host.disk.write", "", "By/s", "Bytes written to a disk"),
    ("host.network.receive", "", "By/s", "Bytes that a network interface received"),
    ("host.network.transmit", "", "By/s", "Bytes that a network interface sent"),
    ("host.pressure", "", "%", "Part of the last ten seconds in which tasks waited"),
    ("host.processes", "", "{processes}", "Processes of this machine"),
    ("host.temperature", "", "Cel", "Temperature of a sensor"),
];

/// What a metric means; `None` for a KPI that is none of them.
pub(crate) fn meaning(kpi: &KpiName) -> Option<Meaning> {
    let name = kpi.as_str();
    let found = MEANINGS.iter().find(|(begin, end, ..)| name.starts_with(begin) && name.ends_with(end));
    found.map(|(.., unit, description)| Meaning::made_legal(unit, description))
}
