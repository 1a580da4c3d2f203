"""The events of the server. An event that this version does not know becomes an `UnknownEvent`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from .model import (
    Acknowledged,
    Anomaly,
    Backfilled,
    Feedback,
    Incident,
    Json,
    Labels,
    Position,
    SeriesSamples,
    acknowledged_of,
    anomaly,
    backfilled,
    feedback_of,
    incident,
    series_samples,
)


@dataclass(frozen=True, slots=True)
class Event:
    """The members of all events."""

    seq: int
    epoch: str
    time: int
    type: str
    workspace: str
    subject: str
    """What it is about: `workspace`, `kpi/<name>`, `incident/<id>`, `run/<id>`, `job/<id>` or another."""

    @property
    def position(self) -> Position:
        """Give it as `since` to continue after this event."""
        return Position(self.seq, self.epoch)


@dataclass(frozen=True, slots=True)
class KpiEvent(Event):
    """An event about a KPI."""

    kpi: str


@dataclass(frozen=True, slots=True)
class Samples(KpiEvent):
    """`samples`"""

    series: tuple[SeriesSamples, ...]


@dataclass(frozen=True, slots=True)
class AnomalyEvent(KpiEvent):
    """An event about an episode of a series."""

    anomaly: Anomaly


@dataclass(frozen=True, slots=True)
class AnomalyOpened(AnomalyEvent):
    """`anomaly.opened`"""


@dataclass(frozen=True, slots=True)
class AnomalyUpdated(AnomalyEvent):
    """`anomaly.updated`"""


@dataclass(frozen=True, slots=True)
class AnomalyClosed(AnomalyEvent):
    """`anomaly.closed`"""


@dataclass(frozen=True, slots=True)
class AnomalyAcknowledged(KpiEvent):
    """`anomaly.acknowledged`"""

    id: str
    labels: Labels
    acknowledged: Acknowledged


@dataclass(frozen=True, slots=True)
class AnomalyFeedback(KpiEvent):
    """`anomaly.feedback`"""

    id: str
    labels: Labels
    feedback: Feedback
    sensitivity: float


@dataclass(frozen=True, slots=True)
class IncidentEvent(Event):
    """An event about an incident."""

    incident: Incident


@dataclass(frozen=True, slots=True)
class IncidentOpened(IncidentEvent):
    """`incident.opened`"""


@dataclass(frozen=True, slots=True)
class IncidentUpdated(IncidentEvent):
    """`incident.updated`"""


@dataclass(frozen=True, slots=True)
class IncidentClosed(IncidentEvent):
    """`incident.closed`"""


@dataclass(frozen=True, slots=True)
class SeriesStalled(KpiEvent):
    """`series.stalled`: no sample came for longer than usual."""

    labels: Labels
    last_timestamp: int


@dataclass(frozen=True, slots=True)
class SeriesRestored(KpiEvent):
    """`series.restored`"""

    labels: Labels
    timestamp: int


@dataclass(frozen=True, slots=True)
class SeriesEnded(KpiEvent):
    """`series.ended`: the sender marked its end; its silence is no stall."""

    labels: Labels
    timestamp: int


@dataclass(frozen=True, slots=True)
class SamplesBackfilled(KpiEvent):
    """`samples.backfilled`: history was ingested."""

    series: tuple[Backfilled, ...]


@dataclass(frozen=True, slots=True)
class KpiParked(KpiEvent):
    """`kpi.parked`: scoring failed too often; the KPI is not scored."""

    reason: str


@dataclass(frozen=True, slots=True)
class KpiResumed(KpiEvent):
    """`kpi.resumed`"""


@dataclass(frozen=True, slots=True)
class DetectorChanged(KpiEvent):
    """`detector.changed`: other detectors score the KPI (`name@revision`, or `default`)."""

    live: str
    shadow: str | None


@dataclass(frozen=True, slots=True)
class DetectorTrained(KpiEvent):
    """`detector.trained`: a detector of the KPI has learned from the history of `series` series."""

    entry: str
    detector: str
    series: int


@dataclass(frozen=True, slots=True)
class UnknownEvent(Event):
    """An event of a type or shape that this version does not know."""

    data: Any


def event(message: Json) -> Event:
    """An event of the wire.

    Raises KeyError, TypeError or ValueError if a member that every event has is missing.
    """
    head = (
        int(message["seq"]),
        str(message["epoch"]),
        int(message["time"]),
        str(message["type"]),
        str(message["workspace"]),
        str(message["subject"]),
    )
    data: Any = message.get("data")
    of_kpi, of_incident = _OF_KPI.get(head[3]), _OF_INCIDENT.get(head[3])
    try:
        if of_kpi is not None:
            return of_kpi((*head, str(message["kpi"])), data)
        if of_incident is not None:
            return of_incident(head, incident(data))
    except (KeyError, TypeError, ValueError):
        # Newer than this client: delivered all the same.
        pass
    return UnknownEvent(*head, data)


_Head: TypeAlias = tuple[int, str, int, str, str, str]
_KpiHead: TypeAlias = tuple[int, str, int, str, str, str, str]
_OF_KPI: dict[str, Callable[[_KpiHead, Any], Event]] = {
    "samples": lambda head, data: Samples(*head, tuple(series_samples(each) for each in data["series"])),
    "anomaly.opened": lambda head, data: AnomalyOpened(*head, anomaly(data)),
    "anomaly.updated": lambda head, data: AnomalyUpdated(*head, anomaly(data)),
    "anomaly.closed": lambda head, data: AnomalyClosed(*head, anomaly(data)),
    "anomaly.acknowledged": lambda head, data: AnomalyAcknowledged(
        *head, data["id"], data["labels"], acknowledged_of(data["acknowledged"])
    ),
    "anomaly.feedback": lambda head, data: AnomalyFeedback(
        *head, data["id"], data["labels"], feedback_of(data["feedback"]), data["sensitivity"]
    ),
    "series.stalled": lambda head, data: SeriesStalled(*head, data["labels"], data["last_timestamp"]),
    "series.restored": lambda head, data: SeriesRestored(*head, data["labels"], data["timestamp"]),
    "series.ended": lambda head, data: SeriesEnded(*head, data["labels"], data["timestamp"]),
    "samples.backfilled": lambda head, data: SamplesBackfilled(*head, tuple(backfilled(each) for each in data["series"])),
    "kpi.parked": lambda head, data: KpiParked(*head, data["reason"]),
    "kpi.resumed": lambda head, _data: KpiResumed(*head),
    "detector.changed": lambda head, data: DetectorChanged(*head, data["live"], data["shadow"]),
    "detector.trained": lambda head, data: DetectorTrained(*head, data["entry"], data["detector"], data["series"]),
}
_OF_INCIDENT: dict[str, Callable[[_Head, Incident], Event]] = {
    "incident.opened": lambda head, incident: IncidentOpened(*head, incident),
    "incident.updated": lambda head, incident: IncidentUpdated(*head, incident),
    "incident.closed": lambda head, incident: IncidentClosed(*head, incident),
}

EVENT_TYPES: tuple[str, ...] = (*_OF_KPI, *_OF_INCIDENT)
"""Every event type this version knows."""
