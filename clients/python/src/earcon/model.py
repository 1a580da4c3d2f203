"""The values in the server's messages. Times are milliseconds since the Unix epoch, UTC.

Members that this version does not know are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Mapping[str, Any]
Labels: TypeAlias = Mapping[str, str]
SeriesState: TypeAlias = Literal["warming", "normal", "anomalous", "stalled", "ended"]


@dataclass(frozen=True, slots=True)
class Position:
    """A position in the log: after event `seq`, which `epoch` wrote."""

    seq: int
    epoch: str


@dataclass(frozen=True, slots=True)
class Warming:
    """Progress of the warm-up of a series."""

    seen: int
    needed: int


@dataclass(frozen=True, slots=True)
class Features:
    """The feature values behind a score."""

    robust_z: float | None
    residual_z: float | None
    volatility: float | None
    slope: float | None
    level: float | None


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """A sample with its score. Fields without a value are None."""

    timestamp: int
    value: float
    score: float | None
    expected: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class SeriesSamples:
    """New samples of one series."""

    labels: Labels
    samples: tuple[ScoredSample, ...]
    late: tuple[tuple[int, float], ...]
    """Timestamp and value of late samples. They are stored, but not scored."""
    state: SeriesState
    warming: Warming | None
    features: Features | None


@dataclass(frozen=True, slots=True)
class Series:
    """A series with its newest sample."""

    labels: Labels
    state: SeriesState
    warming: Warming | None
    timestamp: int | None
    value: float | None
    score: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    features: Features | None
    late: int
    anomaly: str | None
    """Id of the open anomaly."""


@dataclass(frozen=True, slots=True)
class Kpi:
    """A KPI with its series."""

    kpi: str
    state: Literal["running", "parked"]
    reason: str | None
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Peak:
    """The sample of an anomaly with the highest score."""

    timestamp: int
    value: float
    score: float
    expected: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An acknowledgement by a person."""

    at: int
    by: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Feedback:
    """A person's feedback on an anomaly. Later feedback replaces earlier feedback."""

    outcome: Literal["real", "false"]
    at: int
    by: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An episode of anomalous samples of a series."""

    id: str
    kpi: str
    labels: Labels
    state: Literal["open", "closed"]
    opened_at: int
    last_at: int
    closed_at: int | None
    peak: Peak
    direction: Literal["above", "below"]
    reason: str
    samples: int
    detector: str
    acknowledged: Acknowledged | None
    feedback: Feedback | None
    finding: str
    """The sentence without times, the number of samples and the end."""
    sentence: str
    """The anomaly in words: series, value, expectation, start and end. Times are UTC."""
    muted: str | None
    """The name of the mute that suppresses the alert."""


@dataclass(frozen=True, slots=True)
class Member:
    """One series in an incident."""

    anomaly: str
    """Id of the latest anomaly of the series."""
    kpi: str
    labels: Labels
    state: Literal["open", "closed"]
    opened_at: int
    closed_at: int | None
    peak_score: float
    peak_at: int
    direction: Literal["above", "below"]
    reason: str
    """Of a value that repeats (`volatility`), the direction says nothing."""
    episodes: int
    link: str
    """The reason for membership: first, same_kpi, shared, companion, burst or overflow."""
    shared: str | None
    muted: str | None
    acknowledged: bool
    learning: bool
    """Whether the series was known for less than two hours when it joined."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One entry of an incident's timeline."""

    at: int
    what: str
    kpi: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class FirstMover:
    """The series that probably moved first."""

    kpi: str
    labels: Labels
    anomaly: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Anomalies of several series that belong together."""

    id: str
    revision: int
    title: str
    state: Literal["open", "closed", "merged"]
    alerted: bool
    """Whether the incident was alerted. If not, it is only recorded."""
    alerted_at: int | None
    opened_at: int
    last_at: int
    """The latest anomalous sample of a member, as of this event."""
    closed_at: int | None
    merged_into: str | None
    severity: Literal["info", "warning", "critical"]
    """By surprise, members and duration."""
    surprise: float
    peak_score: float
    cause_seq: int
    members_total: int
    members_open: int
    timeline_left_out: int
    first_mover: FirstMover | None
    members: tuple[Member, ...]
    timeline: tuple[TimelineEntry, ...]
    acknowledged: Acknowledged | None


@dataclass(frozen=True, slots=True)
class Backfilled:
    """Summary of the ingested history of one series."""

    labels: Labels
    samples: int
    """Number of samples that were scored and stored."""
    late: int
    """Number of samples that were only stored."""
    oldest: int | None
    newest: int | None
    state: SeriesState


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after event `seq`. It replaces all state known so far."""

    seq: int
    epoch: str
    kpis: tuple[Kpi, ...]
    anomalies: tuple[Anomaly, ...]
    """The open ones."""
    lost: bool
    """Whether events before it were lost. False for the snapshot at the start of a subscription."""
    incidents: tuple[Incident, ...]
    """The open ones."""

    @property
    def position(self) -> Position:
        """The value of `since` that continues after this snapshot."""
        return Position(self.seq, self.epoch)


def snapshot(message: Json, lost: bool) -> Snapshot:
    """Decodes a snapshot. Raises KeyError, TypeError or ValueError if a member is invalid."""
    kpis = tuple(kpi(each) for each in message["kpis"])
    anomalies = tuple(anomaly(each) for each in message["anomalies"])
    incidents = tuple(incident(each) for each in message["incidents"])
    return Snapshot(int(message["seq"]), str(message["epoch"]), kpis, anomalies, lost, incidents)


def kpi(value: Json) -> Kpi:
    """Decodes a KPI."""
    return Kpi(value["kpi"], value["state"], value["reason"], tuple(_series(each) for each in value["series"]))


def anomaly(value: Json) -> Anomaly:
    """Decodes an anomaly."""
    peak = Peak(*(value["peak"][name] for name in Peak.__slots__))
    acknowledged, feedback = value["acknowledged"], value["feedback"]
    special = ("peak", "acknowledged", "feedback")
    plain = {name: value[name] for name in Anomaly.__slots__ if name not in special}
    return Anomaly(
        **plain,
        peak=peak,
        acknowledged=None if acknowledged is None else acknowledged_of(acknowledged),
        feedback=None if feedback is None else feedback_of(feedback),
    )


def feedback_of(value: Json) -> Feedback:
    """Decodes feedback."""
    return Feedback(value["outcome"], value["at"], value["by"], value["note"])


def incident(value: Json) -> Incident:
    """Decodes an incident."""
    by, first = value["acknowledged"], value["first_mover"]
    special = ("members", "timeline", "first_mover", "acknowledged")
    plain = {name: value[name] for name in Incident.__slots__ if name not in special}
    return Incident(
        **plain,
        first_mover=None if first is None else FirstMover(*(first[name] for name in FirstMover.__slots__)),
        members=tuple(Member(*(each[name] for name in Member.__slots__)) for each in value["members"]),
        timeline=tuple(TimelineEntry(*(each[name] for name in TimelineEntry.__slots__)) for each in value["timeline"]),
        acknowledged=None if by is None else acknowledged_of(by),
    )


def acknowledged_of(value: Json) -> Acknowledged:
    """Decodes an acknowledgement."""
    return Acknowledged(value["at"], value["by"], value["note"])


def _warming(value: Json | None) -> Warming | None:
    return None if value is None else Warming(value["seen"], value["needed"])


def _features(value: Json | None) -> Features | None:
    return None if value is None else Features(*(value[name] for name in Features.__slots__))


def _series(value: Json) -> Series:
    members = {name: value[name] for name in Series.__slots__ if name not in ("warming", "features")}
    return Series(**members, warming=_warming(value["warming"]), features=_features(value["features"]))


def series_samples(value: Json) -> SeriesSamples:
    """Decodes new samples."""
    return SeriesSamples(
        labels=value["labels"],
        samples=tuple(ScoredSample(*row[:6]) for row in value["samples"]),
        late=tuple((at, late) for at, late in value["late"]),
        state=value["state"],
        warming=_warming(value["warming"]),
        features=_features(value["features"]),
    )


def backfilled(value: Json) -> Backfilled:
    """Decodes a summary of ingested history."""
    return Backfilled(value["labels"], value["samples"], value["late"], value["from"], value["to"], value["state"])
