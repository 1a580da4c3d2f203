"""What the server says, as values. Times are milliseconds since the Unix epoch, UTC.

A member this version does not know is passed over; an event it does not know becomes an `UnknownEvent`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Mapping[str, Any]
Labels: TypeAlias = Mapping[str, str]
SeriesState: TypeAlias = Literal["warming", "normal", "anomalous", "stalled", "ended"]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in one life of the log: after event `seq` of `epoch`."""

    seq: int
    epoch: str


@dataclass(frozen=True, slots=True)
class Warming:
    """How far a series is from being scored."""

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
    """A sample and what was said of it; None where nothing was."""

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
    """Timestamp and value of samples that came late: stored, not scored."""
    state: SeriesState
    warming: Warming | None
    features: Features | None


@dataclass(frozen=True, slots=True)
class Series:
    """A series as it stands."""

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
    """The open anomaly."""


@dataclass(frozen=True, slots=True)
class Kpi:
    """A KPI as it stands."""

    kpi: str
    state: Literal["running", "parked"]
    reason: str | None
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Peak:
    """The most surprising sample of an anomaly."""

    timestamp: int
    value: float
    score: float
    expected: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Who has seen an anomaly, and when."""

    at: int
    by: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody said of an anomaly; the last word holds."""

    verdict: Literal["real", "false"]
    at: int
    by: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How often a feature was as extreme as at the peak, among how many earlier samples."""

    reached: int
    of: int


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An episode of a series."""

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
    verdict: Verdict | None = None
    standing: Standing | None = None
    sentence: str = ""
    muted: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What all events have."""

    seq: int
    epoch: str
    time: int
    type: str
    workspace: str
    kpi: str

    @property
    def position(self) -> Position:
        """Give it as `since` to go on behind this event."""
        return Position(self.seq, self.epoch)


@dataclass(frozen=True, slots=True)
class Samples(Event):
    """`samples`"""

    series: tuple[SeriesSamples, ...]


@dataclass(frozen=True, slots=True)
class AnomalyEvent(Event):
    """What the events of an episode have."""

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
class AnomalyAcknowledged(Event):
    """`anomaly.acknowledged`"""

    id: str
    labels: Labels
    acknowledged: Acknowledged


@dataclass(frozen=True, slots=True)
class AnomalyJudged(Event):
    """`anomaly.judged`"""

    id: str
    labels: Labels
    verdict: Verdict
    sensitivity: float


@dataclass(frozen=True, slots=True)
class SeriesStalled(Event):
    """`series.stalled`: no sample came for long."""

    labels: Labels
    last_timestamp: int


@dataclass(frozen=True, slots=True)
class SeriesRestored(Event):
    """`series.restored`"""

    labels: Labels
    timestamp: int


@dataclass(frozen=True, slots=True)
class SeriesEnded(Event):
    """`series.ended`: its sender said so; its silence is no stall."""

    labels: Labels
    timestamp: int


@dataclass(frozen=True, slots=True)
class Backfilled:
    """History of one series that was taken in, in numbers."""

    labels: Labels
    samples: int
    """Scored and stored."""
    late: int
    """Stored only."""
    oldest: int | None
    newest: int | None
    state: SeriesState


@dataclass(frozen=True, slots=True)
class SamplesBackfilled(Event):
    """`samples.backfilled`: history was taken in."""

    series: tuple[Backfilled, ...]


@dataclass(frozen=True, slots=True)
class KpiParked(Event):
    """`kpi.parked`: scoring failed too often, the KPI takes nothing."""

    reason: str


@dataclass(frozen=True, slots=True)
class KpiResumed(Event):
    """`kpi.resumed`"""


@dataclass(frozen=True, slots=True)
class DetectorChanged(Event):
    """`detector.changed`: what scores the KPI, or what is tried out beside it, is another entry (`name@revision`, or `default`)."""

    live: str
    shadow: str | None


@dataclass(frozen=True, slots=True)
class DetectorTrained(Event):
    """`detector.trained`: one of the KPI's detectors has learned from the history of so many series."""

    entry: str
    detector: str
    series: int


@dataclass(frozen=True, slots=True)
class UnknownEvent(Event):
    """An event of a type, or a shape, that this version does not know."""

    data: Any


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after event `seq`. It replaces everything known."""

    seq: int
    epoch: str
    kpis: tuple[Kpi, ...]
    anomalies: tuple[Anomaly, ...]
    """The open ones."""
    lost: bool
    """Whether it stands for events that were missed and will not come. False for the one a subscription begins with."""

    @property
    def position(self) -> Position:
        """Give it as `since` to go on behind this snapshot."""
        return Position(self.seq, self.epoch)


def event(message: Json) -> Event:
    """An event of the wire.

    Raises KeyError, TypeError or ValueError when it lacks what every event has.
    """
    head = (
        int(message["seq"]),
        str(message["epoch"]),
        int(message["time"]),
        str(message["type"]),
        str(message["workspace"]),
        str(message["kpi"]),
    )
    data = message.get("data")
    make = _EVENTS.get(head[3])
    if make is not None and isinstance(data, Mapping):
        try:
            return make(head, data)
        except (KeyError, TypeError, ValueError):
            # Newer than this client: told, not lost.
            return UnknownEvent(*head, data)
    return UnknownEvent(*head, data)


def snapshot(message: Json, lost: bool) -> Snapshot:
    """A snapshot of the wire. Raises KeyError, TypeError or ValueError when it is not as documented."""
    kpis = tuple(kpi(each) for each in message["kpis"])
    anomalies = tuple(anomaly(each) for each in message["anomalies"])
    return Snapshot(int(message["seq"]), str(message["epoch"]), kpis, anomalies, lost)


def kpi(told: Json) -> Kpi:
    """A KPI of the wire."""
    return Kpi(told["kpi"], told["state"], told["reason"], tuple(_series(each) for each in told["series"]))


def anomaly(told: Json) -> Anomaly:
    """An anomaly of the wire."""
    peak = Peak(*(told["peak"][name] for name in Peak.__slots__))
    by = told["acknowledged"]
    apart = ("peak", "acknowledged", "verdict", "standing", "sentence", "muted")
    members = {name: told[name] for name in Anomaly.__slots__ if name not in apart}
    # Older servers do not tell what follows.
    said, standing = told.get("verdict"), told.get("standing")
    return Anomaly(
        **members,
        peak=peak,
        acknowledged=None if by is None else _acknowledged(by),
        verdict=None if said is None else _verdict(said),
        standing=None if standing is None else Standing(standing["reached"], standing["of"]),
        sentence=told.get("sentence", ""),
        muted=told.get("muted"),
    )


def _verdict(told: Json) -> Verdict:
    return Verdict(told["verdict"], told["at"], told["by"], told["note"])


def _acknowledged(told: Json) -> Acknowledged:
    return Acknowledged(told["at"], told["by"], told["note"])


def _warming(told: Json | None) -> Warming | None:
    return None if told is None else Warming(told["seen"], told["needed"])


def _features(told: Json | None) -> Features | None:
    return None if told is None else Features(*(told[name] for name in Features.__slots__))


def _series(told: Json) -> Series:
    members = {name: told[name] for name in Series.__slots__ if name not in ("warming", "features")}
    return Series(**members, warming=_warming(told["warming"]), features=_features(told["features"]))


def _series_samples(told: Json) -> SeriesSamples:
    return SeriesSamples(
        labels=told["labels"],
        samples=tuple(ScoredSample(*row[:6]) for row in told["samples"]),
        late=tuple((at, value) for at, value in told.get("late", ())),
        state=told["state"],
        warming=_warming(told["warming"]),
        features=_features(told["features"]),
    )


def _backfilled(told: Json) -> Backfilled:
    return Backfilled(told["labels"], told["samples"], told["late"], told["from"], told["to"], told["state"])


_Head: TypeAlias = tuple[int, str, int, str, str, str]
_EVENTS: dict[str, Callable[[_Head, Json], Event]] = {
    "samples": lambda head, data: Samples(*head, tuple(_series_samples(each) for each in data["series"])),
    "anomaly.opened": lambda head, data: AnomalyOpened(*head, anomaly(data)),
    "anomaly.updated": lambda head, data: AnomalyUpdated(*head, anomaly(data)),
    "anomaly.closed": lambda head, data: AnomalyClosed(*head, anomaly(data)),
    "anomaly.acknowledged": lambda head, data: AnomalyAcknowledged(
        *head, data["id"], data["labels"], _acknowledged(data["acknowledged"])
    ),
    "anomaly.judged": lambda head, data: AnomalyJudged(
        *head, data["id"], data["labels"], _verdict(data["verdict"]), data["sensitivity"]
    ),
    "series.stalled": lambda head, data: SeriesStalled(*head, data["labels"], data["last_timestamp"]),
    "series.restored": lambda head, data: SeriesRestored(*head, data["labels"], data["timestamp"]),
    "series.ended": lambda head, data: SeriesEnded(*head, data["labels"], data["timestamp"]),
    "samples.backfilled": lambda head, data: SamplesBackfilled(*head, tuple(_backfilled(each) for each in data["series"])),
    "kpi.parked": lambda head, data: KpiParked(*head, data["reason"]),
    "kpi.resumed": lambda head, _data: KpiResumed(*head),
    "detector.changed": lambda head, data: DetectorChanged(*head, data["live"], data["shadow"]),
    "detector.trained": lambda head, data: DetectorTrained(*head, data["entry"], data["detector"], data["series"]),
}

EVENT_TYPES: tuple[str, ...] = tuple(_EVENTS)
"""Every event type this version knows."""
