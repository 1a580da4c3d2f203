"""The client of Earcon: follow, hear, ask and feed a server.

    async with earcon.Client("http://127.0.0.1:7070") as client:
        async for event in client.events("local", since="live"):
            print(event)
"""

from .client import Client, Rows
from .errors import ApiError, EarconError, NotUnderstood, Unreachable
from .follow import Heartbeat, State
from .ingest import Batcher, Receipt, Rejected, Sample
from .link import Since
from .listen import AudioConfig, Cue, Packet, Sound, Voice, Voices
from .model import (
    EVENT_TYPES,
    Acknowledged,
    Anomaly,
    AnomalyAcknowledged,
    AnomalyClosed,
    AnomalyEvent,
    AnomalyOpened,
    AnomalyUpdated,
    Backfilled,
    Event,
    Features,
    Kpi,
    KpiParked,
    KpiResumed,
    Labels,
    Peak,
    Position,
    Samples,
    SamplesBackfilled,
    ScoredSample,
    Series,
    SeriesEnded,
    SeriesRestored,
    SeriesSamples,
    SeriesStalled,
    Snapshot,
    UnknownEvent,
    Warming,
)

__all__ = [
    "EVENT_TYPES",
    "Acknowledged",
    "Anomaly",
    "AnomalyAcknowledged",
    "AnomalyClosed",
    "AnomalyEvent",
    "AnomalyOpened",
    "AnomalyUpdated",
    "ApiError",
    "AudioConfig",
    "Backfilled",
    "Batcher",
    "Client",
    "Cue",
    "EarconError",
    "Event",
    "Features",
    "Heartbeat",
    "Kpi",
    "KpiParked",
    "KpiResumed",
    "Labels",
    "NotUnderstood",
    "Packet",
    "Peak",
    "Position",
    "Receipt",
    "Rejected",
    "Rows",
    "Sample",
    "Samples",
    "SamplesBackfilled",
    "ScoredSample",
    "Series",
    "SeriesEnded",
    "SeriesRestored",
    "SeriesSamples",
    "SeriesStalled",
    "Since",
    "Snapshot",
    "Sound",
    "State",
    "UnknownEvent",
    "Unreachable",
    "Voice",
    "Voices",
    "Warming",
]
