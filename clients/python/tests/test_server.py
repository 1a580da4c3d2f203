"""Tests of the client with a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

import earcon
from conftest import run
from earcon import AnomalyOpened, ApiError, Client, Event, KpiEvent, Packet, Sample, Samples, Snapshot, Unreachable
from samples import now, ordinary, spike
from server import Server, running


async def until_seq(events: AsyncGenerator[Event | Snapshot, None], seq: int) -> list[Event | Snapshot]:
    """Returns all deliveries up to and including event `seq`."""
    received = []
    while True:
        received.append(await anext(events))
        if received[-1].seq >= seq:
            return received


def test_samples_are_delivered_once_and_in_order(server: Server) -> None:
    async def test() -> None:
        async with Client(server.url) as client:
            await client.ingest("follows", [Sample("shop.revenue", 1.0)])
            async with aclosing(client.events("follows")) as events:
                first = await anext(events)
                assert isinstance(first, Snapshot) and not first.lost
                assert [kpi.kpi for kpi in first.kpis] == ["shop.revenue"]
                for value in range(2, 12):
                    receipt = await client.ingest("follows", [Sample("shop.revenue", float(value), timestamp=now() + value)])
                assert receipt.seq is not None
                received = await until_seq(events, receipt.seq)
            assert [event.seq for event in received] == list(range(first.seq + 1, receipt.seq + 1))
            values = [row.value for event in received if isinstance(event, Samples) for row in event.series[0].samples]
            assert values == [float(value) for value in range(2, 12)]

    run(test())


def test_no_event_is_lost_when_the_server_is_killed() -> None:
    async def test(server: Server) -> None:
        states: list[str] = []
        async with Client(server.url) as client:
            await client.ingest("local", [Sample("shop.revenue", 0.0)])
            async with aclosing(client.events(since="live", on_state=states.append)) as events:
                following = asyncio.create_task(anext(events))
                while "live" not in states:
                    await asyncio.sleep(0.01)
                receipt = await client.ingest("local", [Sample("shop.revenue", 1.0, timestamp=now() + 1)])
                received = [await following]
                server.kill()
                following = asyncio.create_task(anext(events))
                while "waiting" not in states:
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(server.restart)
                # The client retries while the server restarts.
                receipt = await client.ingest("local", ordinary("shop.orders", 5, now()))
                assert receipt.seq is not None
                received.append(await following)
                if received[-1].seq < receipt.seq:
                    received += await until_seq(events, receipt.seq)
            assert [event.seq for event in received] == list(range(received[0].seq, receipt.seq + 1))
            assert not any(isinstance(event, Snapshot) for event in received)

    with running() as server:
        run(test(server))


def test_resume_from_an_earlier_run_applies_the_filter(server: Server) -> None:
    async def test() -> None:
        async with Client(server.url) as client:
            await client.ingest("resumes", [Sample("a.one", 1.0), Sample("b.one", 1.0)])
            async with aclosing(client.events("resumes")) as events:
                position = (await anext(events)).position
            receipt = await client.ingest("resumes", [Sample("a.one", 2.0, timestamp=now() + 1), Sample("b.one", 2.0)])
            last = await client.ingest("resumes", [Sample("a.one", 3.0, timestamp=now() + 2)])
            assert receipt.seq is not None and last.seq is not None
            async with aclosing(client.events("resumes", since=position, kpis=["a.*"])) as events:
                received = await until_seq(events, last.seq)
            assert {event.kpi for event in received if isinstance(event, KpiEvent)} == {"a.one"}
            assert len(received) == 2

    run(test())


def test_anomaly_is_delivered_queried_and_acknowledged(server: Server) -> None:
    async def test() -> None:
        async with Client(server.url) as client:
            start = now() - 60_000
            await client.ingest("anomalies", ordinary("shop.revenue", 120, start))
            async with aclosing(client.events("anomalies", since="snapshot", types=["anomaly.opened"])) as events:
                await anext(events)
                await client.ingest("anomalies", spike("shop.revenue", 6, start + 1_000))
                opened = await anext(events)
            assert isinstance(opened, AnomalyOpened)
            assert opened.anomaly.peak.value >= 400
            assert (await client.kpi("anomalies", "shop.revenue")).series[0].anomaly == opened.anomaly.id
            acknowledged = await client.acknowledge("anomalies", opened.anomaly.id, "a drill")
            assert acknowledged.acknowledged is not None and acknowledged.acknowledged.note == "a drill"
            assert (await client.anomaly("anomalies", opened.anomaly.id)).id == opened.anomaly.id
            listed = [anomaly.id async for anomaly in client.anomalies("anomalies", open=True, kpi="shop.revenue")]
            assert listed == [opened.anomaly.id]

    run(test())


def test_history_returns_samples_and_rollups(server: Server) -> None:
    async def test() -> None:
        async with Client(server.url) as client:
            end = now() // 60_000 * 60_000
            labels = {"region": "eu"}
            given = [Sample("shop.revenue", float(i), labels, end - (60 - i) * 1_000) for i in range(60)]
            assert (await client.ingest("history", given)).accepted == 60
            rows: list[earcon.Rows] = []
            # The history may be behind the acknowledged samples for a moment.
            while not rows or len(rows[0].rows) < 60:
                rows = await client.samples("history", "shop.revenue", start=end - 60_000, end=end, labels=labels)
            assert rows[0].columns[:2] == ("timestamp", "value")
            assert [row[1] for row in rows[0].rows] == [float(i) for i in range(60)]
            (minute,) = await client.samples("history", "shop.revenue", start=end - 60_000, end=end, step=60_000)
            assert dict(zip(minute.columns, minute.rows[0], strict=True))["max"] == 59.0
            assert "history" in await client.workspaces()

    run(test())


def test_receipt_lists_rejected_rows_and_accepts_the_others(server: Server) -> None:
    async def test() -> None:
        async with Client(server.url) as client:
            receipt = await client.ingest("rows", [Sample("good", 1.0), Sample("not a name", 1.0), Sample("good", 2.0)])
            assert (receipt.accepted, receipt.rejected_total) == (2, 1)
            assert receipt.rejected[0].row == 1
            nothing = await client.ingest("rows", [Sample("not a name", 1.0)])
            assert (nothing.accepted, nothing.rejected_total, nothing.seq) == (0, 1, None)

    run(test())


def test_a_sample_states_unit_description_counter_and_end(server: Server) -> None:
    at = now()
    total = Sample("stated.sent", 1_000.0, timestamp=at - 2_000, counter=True, unit="By", description="Bytes sent")
    end = Sample("stated.sent", None, timestamp=at, ended=True)
    assert total.wire() == {
        "kpi": "stated.sent",
        "value": 1_000.0,
        "counter": True,
        "unit": "By",
        "description": "Bytes sent",
        "timestamp": at - 2_000,
    }
    assert end.wire() == {"kpi": "stated.sent", "value": None, "ended": True, "timestamp": at}
    assert Sample("a", 1.0, counter=False).wire() == {"kpi": "a", "value": 1.0, "counter": False}

    async def test() -> None:
        async with Client(server.url) as client:
            samples = [total, Sample("stated.sent", 3_000.0, timestamp=at - 1_000, counter=True), end]
            receipt = await client.ingest("stated", samples)
            assert receipt.accepted > 0 and not receipt.rejected
            kpi = await client.kpi("stated", "stated.sent")
            assert kpi.series[0].state == "ended"

    run(test())


def test_batcher_sends_samples_in_batches(server: Server) -> None:
    async def test() -> None:
        async with Client(server.url) as client:
            start = now()
            async with client.batcher("batches", size=100) as batches:
                for i in range(1_050):
                    await batches.put(Sample("shop.revenue" if i != 777 else "?", float(i), timestamp=start + i))
            assert (batches.receipt.accepted, batches.receipt.rejected_total) == (1_049, 1)
            assert batches.receipt.rejected[0].row == 777

    run(test())


def test_batcher_raises_an_error_of_sending(server: Server) -> None:
    async def test() -> None:
        async with Client(server.url) as client:
            with pytest.raises(ApiError, match="workspace"):
                async with client.batcher("Not A Workspace", size=10) as batches:
                    for i in range(1_000):
                        await batches.put(Sample("shop.revenue", float(i)))

    run(test())


def test_errors_contain_the_message_of_the_server(server: Server) -> None:
    async def test() -> None:
        async with Client(server.url) as client:
            with pytest.raises(ApiError, match="there is no workspace") as caught:
                await client.kpis("nowhere")
            assert (caught.value.status, caught.value.problem["type"]) == (404, "/problems/not-found")
        async with Client("http://127.0.0.1:1") as client:
            with pytest.raises(Unreachable):
                await client.workspaces()

    run(test())


def test_listen_delivers_packets_and_record_writes_a_file(server: Server, tmp_path: Path) -> None:
    async def test() -> None:
        async with Client(server.url) as client:
            await client.ingest("sound", [Sample("shop.revenue", 1.0)])
            numbers = []
            kinds = set()
            async with aclosing(client.listen("sound")) as sounds:
                async for sound in sounds:
                    kinds.add(type(sound))
                    if isinstance(sound, Packet):
                        numbers.append(sound.number)
                        assert sound.opus
                    if len(numbers) == 50:
                        break
            assert kinds >= {earcon.AudioConfig, earcon.Voices, Packet}
            assert numbers == sorted(set(numbers))
            file = tmp_path / "mix.ogg"
            assert await client.record(file, 1.0, "sound") >= 1.0
            pages = file.read_bytes().split(b"OggS")[1:]
            # Two header pages, then audio. The last page has the end-of-stream flag.
            assert len(pages) > 2 and b"OpusHead" in pages[0] and b"OpusTags" in pages[1]
            assert [page[1] & 4 for page in pages] == [0] * (len(pages) - 1) + [4]
            process = await asyncio.create_subprocess_exec("opusinfo", file, stdout=-1, stderr=-1)
            out, errors = await process.communicate()
            assert process.returncode == 0, errors
            assert b"WARNING" not in out + errors, out + errors

    run(test())


def test_all_event_types_of_the_server_are_known(server: Server) -> None:
    async def test() -> None:
        async with Client(server.url) as client:
            await client.create_workspace("types")
            assert "types" in await client.workspaces()
            await client.ingest("types", [Sample("shop.revenue", 1.0)])
        async with connect(f"ws{server.url.removeprefix('http')}/api/v1/workspaces/types/events") as socket:
            await socket.send(json.dumps({"type": "subscribe", "filter": {"types": ["nonsense"]}}))
            error = json.loads(await socket.recv())
        listed = error["detail"].partition("there are ")[2].split(", ")
        assert sorted(listed) == sorted(earcon.EVENT_TYPES)

    run(test())
