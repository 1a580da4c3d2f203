"""The log of the scripted server, and the messages made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]

ANOMALY: Message = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "kpi": "shop.revenue",
    "labels": {"region": "eu"},
    "state": "open",
    "opened_at": 1_767_225_600_000,
    "last_at": 1_767_225_601_000,
    "closed_at": None,
    "peak": {
        "timestamp": 1_767_225_600_500,
        "value": 400.0,
        "score": 0.9,
        "expected": 100.0,
        "lower": 95.0,
        "upper": 105.0,
    },
    "direction": "above",
    "reason": "robust_z",
    "samples": 3,
    "detector": "season-reach-1",
    "acknowledged": None,
    "feedback": None,
    "finding": "shop.revenue (region:eu) is above the expected range: 400 where 100 was expected (95–105)",
    "sentence": "shop.revenue (region:eu) is above the expected range: 400 where 100 was expected (95–105); "
    "since 2026-01-01 00:00:00 UTC (3 anomalous samples).",
    "muted": None,
}
FEEDBACK: Message = {"outcome": "real", "at": 1_767_225_602_000, "by": "ann", "note": None}
ACKNOWLEDGED: Message = {"at": 1_767_225_602_000, "by": "ann", "note": None}
INCIDENT: Message = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8058",
    "revision": 1,
    "title": "shop.revenue (region:eu) is above the expected range",
    "state": "open",
    "alerted": True,
    "alerted_at": 1_767_225_602_000,
    "opened_at": 1_767_225_600_000,
    "last_at": 1_767_225_600_000,
    "closed_at": None,
    "merged_into": None,
    "severity": "warning",
    "surprise": 4.5,
    "peak_score": 0.9,
    "cause_seq": 1,
    "first_mover": {"kpi": "shop.revenue", "labels": {"region": "eu"}, "anomaly": ANOMALY["id"]},
    "members_total": 1,
    "members_open": 1,
    "members": [],
    "timeline": [{"at": 1_767_225_600_000, "what": "joined", "kpi": "shop.revenue", "labels": {"region": "eu"}}],
    "timeline_left_out": 0,
    "acknowledged": None,
}
SERIES: Message = {
    "labels": {"region": "eu"},
    "samples": [[1_767_225_600_000, 12.5, None, None, None, None]],
    "late": [],
    "state": "warming",
    "warming": {"seen": 1, "needed": 30},
    "features": None,
}
DATA: dict[str, Message] = {
    "samples": {"series": [SERIES]},
    "anomaly.opened": ANOMALY,
    "anomaly.updated": ANOMALY,
    "anomaly.closed": {**ANOMALY, "state": "closed", "closed_at": 1_767_225_602_000},
    "anomaly.acknowledged": {"id": ANOMALY["id"], "labels": {"region": "eu"}, "acknowledged": ACKNOWLEDGED},
    "anomaly.feedback": {"id": ANOMALY["id"], "labels": {"region": "eu"}, "feedback": FEEDBACK, "sensitivity": 1.125},
    "incident.opened": INCIDENT,
    "incident.updated": {**INCIDENT, "revision": 2},
    "incident.closed": {**INCIDENT, "revision": 3, "state": "closed", "closed_at": 1_767_225_603_000},
    "series.stalled": {"labels": {"region": "eu"}, "last_timestamp": 1_767_225_600_000},
    "series.restored": {"labels": {"region": "eu"}, "timestamp": 1_767_225_600_000},
    "kpi.parked": {"reason": "scoring failed"},
    "kpi.resumed": {},
}
"""Every type of event, with data as the server sends it."""


def _about(type_: str) -> Message:
    """Subject and KPI of an event of this type."""
    if type_.startswith("incident."):
        return {"subject": f"incident/{INCIDENT['id']}"}
    if type_.startswith("job."):
        return {"subject": "job/01890a5d-ac96-774b-bcce-b302099a8059"}
    return {"subject": "kpi/shop.revenue", "kpi": "shop.revenue"}


@dataclass
class Log:
    """One history: all its events. Those before `first` have been trimmed."""

    epoch: str
    """The epoch of the next events."""
    events: list[Message] = field(default_factory=list)
    first: int = 1

    @property
    def head(self) -> int:
        """The `seq` of the newest event; 0 if there is none."""
        return len(self.events)

    def append(self, type_: str = "samples", **more: Any) -> Message:
        """Makes the next event."""
        event: Message = {
            "seq": self.head + 1,
            "epoch": self.epoch,
            "time": 1_767_225_600_000 + self.head,
            "type": type_,
            "workspace": "local",
            **_about(type_),
            "data": DATA.get(type_, {"anything": [1, {"else": None}]}),
            **more,
        }
        self.events.append(event)
        return event

    def restart(self) -> None:
        """Begins another epoch of the same history."""
        self.epoch += "'"

    def epoch_of(self, seq: int) -> str:
        """The epoch that wrote this event."""
        return str(self.events[seq - 1]["epoch"]) if 0 < seq <= self.head else self.epoch

    def holds(self, seq: int, epoch: object) -> bool:
        """Whether the follower is of this history, and the log holds all events after this one."""
        ours = 0 < seq <= self.head and epoch in (self.epoch_of(seq), self.epoch)
        return ours and self.first <= seq + 1

    def subscribed(self, recovered: bool | None) -> Message:
        """The first answer to a subscription."""
        return {"type": "subscribed", "seq": self.head, "epoch": self.epoch_of(self.head), "recovered": recovered}

    def snapshot(self) -> Message:
        """The state after the newest event."""
        nothing: Message = {"kpis": [], "anomalies": [], "incidents": []}
        return {"type": "snapshot", "seq": self.head, "epoch": self.epoch_of(self.head), **nothing}
