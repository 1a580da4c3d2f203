"""The client of a server: follow workspaces, query them, send samples, receive audio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx

from . import ingest as _ingest
from . import listen as _listen
from . import model
from .errors import ApiError, Unreachable
from .events import Event
from .follow import Heartbeat, State, follow
from .ingest import Batcher, Receipt, Sample
from .link import Link, Since
from .listen import Sound
from .model import Anomaly, Kpi, Labels, Position, Snapshot
from .socket import authorization

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Rows:
    """The history of one series."""

    labels: Labels
    columns: tuple[str, ...]
    """The names of the fields of a row."""
    rows: list[list[float | None]]
    truncated: bool
    """Whether newer rows are missing. Query again from after the last row."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What was deleted, or would be."""

    scope: Literal["kpi", "series", "samples"]
    series: int
    samples: int
    """The number of samples in the history."""
    anomalies: int
    dry_run: bool
    seq: int | None
    """The `deleted` event. None if it was only counted."""
    done: bool
    """Whether the history has none of it any more. If not, the server goes on by itself."""


class Client:
    """A client of one server.

    It is an asynchronous context manager that closes the HTTP connections at its end.

    `key` is an API key (`ek_…`) or an access token. It goes with each request and each WebSocket
    handshake, and no error, log line or `repr` shows it. A key that no header can carry raises
    ValueError.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:7070", heartbeat: Heartbeat | None = None, *, key: str | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._heartbeat = heartbeat or Heartbeat()
        self._headers = authorization(key)
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, headers=self._headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the HTTP connections."""
        await self._http.aclose()

    def events(
        self,
        workspace: str = "local",
        *,
        since: Since = "snapshot",
        kpis: Sequence[str] = (),
        types: Sequence[str] = (),
        on_state: Callable[[State], None] | None = None,
    ) -> AsyncGenerator[Event | Snapshot, None]:
        """Delivers events, each exactly once and in order. Reconnects automatically.

        `since` is the start: "snapshot" (the current state first), "live" (the next event), or
        the `position` of an event or snapshot of an earlier run. If the server no longer holds
        missed events, a `Snapshot` with `lost` set replaces them. An item of `kpis` may end in
        `*`. A slow consumer loses no event that the server's log still holds. Raises ApiError if the
        server does not accept the key (401) or does not permit it (403), also later.
        """
        position = since if isinstance(since, Position) else None
        first = "snapshot" if isinstance(since, Position) else since
        link = Link(first=first, kpis=tuple(kpis), types=tuple(types), position=position)
        url = self._socket_url(f"{_path(workspace)}/events")
        return follow(url, self._headers, link, self._heartbeat, on_state)

    async def ingest(self, workspace: str, samples: Iterable[Sample]) -> Receipt:
        """Sends samples. Returns when all are durable. See `earcon.ingest.send`."""
        return await _ingest.send(self._poster(workspace), samples)

    def batcher(self, workspace: str = "local", *, size: int = 1_000, within: float = 0.5) -> Batcher:
        """Collects single samples into batches.

        Use it as `async with client.batcher() as batches: await batches.put(…)`.
        """
        return Batcher(self._poster(workspace), size, within)

    def listen(self, workspace: str = "local", mix: str = "default") -> AsyncGenerator[Sound, None]:
        """Delivers Opus packets (one every 20 ms), voices and cues until the iterator is closed."""
        url = self._socket_url(f"{_path(workspace)}/mixes/{quote(mix, safe='')}/live")
        return _listen.sounds(url, self._headers)

    async def record(
        self, path: str | PathLike[str], seconds: float, workspace: str = "local", mix: str = "default"
    ) -> float:
        """Records a mix to an Ogg Opus file. Returns the number of seconds written."""
        url = f"{self._url}{_path(workspace)}/mixes/{quote(mix, safe='')}/live.ogg"
        try:
            async with self._http.stream("GET", url) as response:
                if not response.is_success:
                    raise await _failure(response)
                with open(path, "wb") as file:
                    return await _listen.save_ogg(response.aiter_bytes(), file, seconds)
        except httpx.TransportError as error:
            raise Unreachable(f"{url}: {error!r}") from error

    async def workspaces(self) -> list[str]:
        """Returns the names of the workspaces."""
        answer = await self._request("GET", "/api/v1/workspaces")
        return [workspace["id"] for workspace in answer["workspaces"]]

    async def create_workspace(self, workspace: str) -> None:
        """Creates a workspace. One that exists stays as it is."""
        await self._request("PUT", _path(workspace))

    async def kpis(self, workspace: str = "local") -> list[Kpi]:
        """Returns all KPIs with their newest samples."""
        answer = await self._request("GET", f"{_path(workspace)}/kpis")
        return [model.kpi(kpi) for kpi in answer["kpis"]]

    async def kpi(self, workspace: str, kpi: str) -> Kpi:
        """Returns one KPI with its newest samples."""
        return model.kpi(await self._request("GET", f"{_path(workspace)}/kpis/{quote(kpi, safe='')}"))

    async def samples(
        self,
        workspace: str,
        kpi: str,
        *,
        start: int | str | None = None,
        end: int | str | None = None,
        labels: Labels | None = None,
        step: int | None = None,
        limit: int | None = None,
    ) -> list[Rows]:
        """Returns the history from `start` (inclusive) to `end` (exclusive).

        Times are milliseconds or RFC 3339. The rows are samples, or with `step` rollups of
        `step` milliseconds.
        """
        query = {"from": start, "to": end, "labels": _labels(labels), "step": step, "limit": limit}
        answer = await self._request("GET", f"{_path(workspace)}/kpis/{quote(kpi, safe='')}/samples", query)
        columns = tuple(answer["columns"])
        return [Rows(each["labels"], columns, each["samples"], each["truncated"]) for each in answer["series"]]

    async def delete(
        self,
        workspace: str,
        kpi: str,
        *,
        start: int | str | None = None,
        end: int | str | None = None,
        labels: Labels | None = None,
        dry_run: bool = False,
    ) -> Deletion:
        """Deletes samples from `start` (inclusive) to `end` (exclusive), or whole series.

        Without times, the series with these labels go; without labels too, the whole KPI.
        `dry_run` only counts.
        """
        query = {"from": start, "to": end, "labels": _labels(labels), "dry_run": dry_run}
        whole = start is None and end is None and not labels
        path = f"{_path(workspace)}/kpis/{quote(kpi, safe='')}" + ("" if whole else "/samples")
        answer = await self._request("DELETE", path, query)
        return Deletion(
            answer["scope"],
            answer["series"],
            answer["samples"],
            answer["anomalies"],
            answer["dry_run"],
            answer["seq"],
            answer["done"],
        )

    async def delete_workspace(self, workspace: str) -> None:
        """Deletes a workspace with everything in it. Its name can be used again.

        A cluster that needs longer than some seconds goes on by itself.
        """
        await self._request("DELETE", _path(workspace), {"confirm": workspace})

    async def resume(self, workspace: str, kpi: str) -> None:
        """Resumes a parked KPI."""
        await self._request("POST", f"{_path(workspace)}/kpis/{quote(kpi, safe='')}/resume")

    async def anomalies(
        self,
        workspace: str = "local",
        *,
        kpi: str | None = None,
        labels: Labels | None = None,
        start: int | str | None = None,
        end: int | str | None = None,
        open: bool | None = None,
        acknowledged: bool | None = None,
    ) -> AsyncGenerator[Anomaly, None]:
        """Delivers anomalies, latest opened first. Requests further pages when they are needed."""
        query: dict[str, Any] = {"kpi": kpi, "labels": _labels(labels), "from": start, "to": end}
        query |= {"open": open, "acknowledged": acknowledged}
        while True:
            page = await self._request("GET", f"{_path(workspace)}/anomalies", query)
            for each in page["anomalies"]:
                yield model.anomaly(each)
            if page["next"] is None:
                return
            query["before"] = page["next"]

    async def anomaly(self, workspace: str, id: str) -> Anomaly:
        """Returns one anomaly."""
        return model.anomaly(await self._request("GET", f"{_path(workspace)}/anomalies/{quote(id, safe='')}"))

    async def acknowledge(self, workspace: str, id: str, note: str | None = None) -> Anomaly:
        """Acknowledges an anomaly."""
        body = {} if note is None else {"note": note}
        path = f"{_path(workspace)}/anomalies/{quote(id, safe='')}/acknowledge"
        return model.anomaly(await self._request("POST", path, body=body))

    async def send_feedback(
        self, workspace: str, id: str, outcome: Literal["real", "false"], note: str | None = None
    ) -> Anomaly:
        """Records whether an anomaly was worth the alert. It replaces earlier feedback."""
        body = {"outcome": outcome} | ({} if note is None else {"note": note})
        path = f"{_path(workspace)}/anomalies/{quote(id, safe='')}/feedback"
        return model.anomaly(await self._request("POST", path, body=body))

    def _poster(self, workspace: str) -> _ingest.Post:
        async def post(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = await self._request("POST", f"{_path(workspace)}/kpis/ingest", body={"samples": rows})
            return answer

        return post

    def _socket_url(self, path: str) -> str:
        """The WebSocket URL of a path: http becomes ws, https becomes wss."""
        return "ws" + self._url.removeprefix("http") + path

    async def _request(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        given = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        try:
            response = await self._http.request(method, self._url + path, params=given, json=body)
        except httpx.TransportError as error:
            raise Unreachable(f"{self._url}: {error!r}") from error
        if not response.is_success:
            raise await _failure(response)
        return response.json() if response.content else None


async def _failure(response: httpx.Response) -> ApiError:
    text = (await response.aread()).decode(errors="replace")
    return ApiError.of(response.status_code, text, response.headers.get("retry-after"))


def _path(workspace: str) -> str:
    return f"/api/v1/workspaces/{quote(workspace, safe='')}"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _labels(labels: Labels | None) -> str | None:
    return None if not labels else ",".join(f"{key}:{labels[key]}" for key in sorted(labels))
