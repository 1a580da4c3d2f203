"""The events of the server. An event that this version does not know becomes an `UnknownEvent`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

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
    """The fields of all events."""

    seq: int
    epoch: str
    time: int
    type: str
    workspace: str
    subject: str
    """`workspace`, `kpi/<name>`, `incident/<id>`, `run/<id>`, `job/<id>` or another subject."""

    @property
    def position(self) -> Position:
        """The value of `since` that continues after this event."""
        return Position(self.seq, self.epoch)


@dataclass(frozen=True, slots=True)
class KpiEvent(Event):
    """An event about a KPI."""

    kpi: str


@dataclass(frozen=True, slots=True)
class Samples(KpiEvent):
    """`samples`: new samples of the KPI."""

    series: tuple[SeriesSamples, ...]


@dataclass(frozen=True, slots=True)
class AnomalyEvent(KpiEvent):
    """An event about an anomaly."""

    anomaly: Anomaly


@dataclass(frozen=True, slots=True)
class AnomalyOpened(AnomalyEvent):
    """`anomaly.opened`: an anomaly was opened."""


@dataclass(frozen=True, slots=True)
class AnomalyUpdated(AnomalyEvent):
    """`anomaly.updated`: an open anomaly changed."""


@dataclass(frozen=True, slots=True)
class AnomalyClosed(AnomalyEvent):
    """`anomaly.closed`: an anomaly was closed."""


@dataclass(frozen=True, slots=True)
class AnomalyAcknowledged(KpiEvent):
    """`anomaly.acknowledged`: a person acknowledged an anomaly."""

    id: str
    labels: Labels
    acknowledged: Acknowledged


@dataclass(frozen=True, slots=True)
class AnomalyFeedback(KpiEvent):
    """`anomaly.feedback`: a person gave feedback on an anomaly."""

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
    """`incident.opened`: an incident was opened."""


@dataclass(frozen=True, slots=True)
class IncidentUpdated(IncidentEvent):
    """`incident.updated`: an incident grew, was alerted or was acknowledged."""


@dataclass(frozen=True, slots=True)
class IncidentClosed(IncidentEvent):
    """`incident.closed`: an incident ended or was merged into another."""


@dataclass(frozen=True, slots=True)
class SeriesStalled(KpiEvent):
    """`series.stalled`: no sample arrived for longer than usual."""

    labels: Labels
    last_timestamp: int


@dataclass(frozen=True, slots=True)
class SeriesRestored(KpiEvent):
    """`series.restored`: a stalled series received a sample."""

    labels: Labels
    timestamp: int


@dataclass(frozen=True, slots=True)
class SeriesEnded(KpiEvent):
    """`series.ended`: the sender ended the series. It cannot stall any more."""

    labels: Labels
    timestamp: int


@dataclass(frozen=True, slots=True)
class SamplesBackfilled(KpiEvent):
    """`samples.backfilled`: history was ingested."""

    series: tuple[Backfilled, ...]


@dataclass(frozen=True, slots=True)
class KpiParked(KpiEvent):
    """`kpi.parked`: scoring failed too often. The KPI is not scored until it is resumed."""

    reason: str


@dataclass(frozen=True, slots=True)
class KpiResumed(KpiEvent):
    """`kpi.resumed`: a parked KPI was resumed."""


@dataclass(frozen=True, slots=True)
class Deleted(KpiEvent):
    """`deleted`: a person deleted some or all of the KPI.

    What earlier events and answers brought no longer counts, as far as it is covered.
    """

    scope: Literal["kpi", "series", "samples"]
    labels: Labels
    """Only series that have all these labels."""
    start: int | None
    """First time of a range of samples, in milliseconds. None: from the beginning."""
    end: int | None
    """First time after the range. None: to the end."""
    by: str


@dataclass(frozen=True, slots=True)
class DetectorChanged(KpiEvent):
    """`detector.changed`: the detectors of the KPI changed (`name@revision` or `default`)."""

    live: str
    shadow: str | None


@dataclass(frozen=True, slots=True)
class DetectorTrained(KpiEvent):
    """`detector.trained`: a detector was trained with the history of `series` series."""

    entry: str
    detector: str
    series: int


@dataclass(frozen=True, slots=True)
class UnknownEvent(Event):
    """An event of a type or shape that this version does not know."""

    data: Any


def event(message: Json) -> Event:
    """Decodes an event.

    Raises KeyError, TypeError or ValueError if a common field is missing.
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
        # The event has a newer format: deliver it as an UnknownEvent.
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
    "deleted": lambda head, data: Deleted(
        *head, data["scope"], data["labels"], data["from"], data["to"], data["by"]
    ),
    "detector.changed": lambda head, data: DetectorChanged(*head, data["live"], data["shadow"]),
    "detector.trained": lambda head, data: DetectorTrained(*head, data["entry"], data["detector"], data["series"]),
}
_OF_INCIDENT: dict[str, Callable[[_Head, Incident], Event]] = {
    "incident.opened": lambda head, incident: IncidentOpened(*head, incident),
    "incident.updated": lambda head, incident: IncidentUpdated(*head, incident),
    "incident.closed": lambda head, incident: IncidentClosed(*head, incident),
}

EVENT_TYPES: tuple[str, ...] = (*_OF_KPI, *_OF_INCIDENT)
"""All event types that this version knows."""
