"""The behaviour of the server in each scenario. The README lists the requirements."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .log import DATA
from .server import Connection
from .stage import Stage

Scenario = Callable[[Stage], Awaitable[None]]


async def follows(stage: Stage) -> None:
    """delivers every type of event, in order"""
    await stage.begin()
    for type_ in DATA:
        await stage.server.send_events(type_=type_)
    await stage.finish()


async def first_message(stage: Stage) -> None:
    """begins with a snapshot"""
    await stage.begin()
    stage.subscribed_with(0, "snapshot")
    await stage.finish()


async def resume(stage: Stage) -> None:
    """resumes after a dropped connection, from the last event it saw"""
    connection = await stage.begin()
    await _away(stage, connection.drop)
    await stage.finish()


async def resume_close_code(stage: Stage) -> None:
    """resumes after a close with 1012"""
    connection = await stage.begin()
    connection.following = False
    await connection.close(1012, "restarting, resume with since and epoch")
    await _away(stage, lambda: None)
    await stage.finish()


async def _away(stage: Stage, leave: Callable[[], None]) -> None:
    """Makes events while the client is disconnected."""
    log = stage.server.log
    seen = log.head
    leave()
    await stage.server.send_events(3)
    await stage.connected()
    await stage.delivered()
    stage.subscribed_with(1, seen, log.epoch)


async def not_recovered(stage: Stage) -> None:
    """accepts a reset if the missed events have been trimmed"""
    connection = await stage.begin()
    log = stage.server.log
    connection.drop()
    for _ in range(5):
        log.append()
    log.first = log.head
    await stage.connected()
    await stage.finish(resets=1)


async def new_epoch(stage: Stage) -> None:
    """accepts a reset if the log is another, although its seq is smaller"""
    connection = await stage.begin(events=5)
    connection.drop()
    stage.server.new_log(events=2)
    await stage.connected()
    await stage.finish(resets=1)


async def epoch_in_flight(stage: Stage) -> None:
    """notices another history in the middle of a connection"""
    await stage.begin()
    stage.server.new_log(events=1)
    await stage.server.send_events()
    await stage.finish(resets=1)


async def restarts(stage: Stage) -> None:
    """resumes over restarts of the server, which begin epochs"""
    connection = await stage.begin()
    log = stage.server.log
    seen, epoch = log.head, log.epoch
    connection.drop()
    for _ in range(2):
        log.restart()
        await stage.server.send_events(2)
    await stage.connected()
    await stage.delivered()
    stage.subscribed_with(1, seen, epoch)
    await stage.finish()


async def restart_in_flight(stage: Stage) -> None:
    """goes on without a reset if a later epoch continues the log"""
    await stage.begin()
    for _ in range(2):
        stage.server.log.restart()
        await stage.server.send_events(2)
    await stage.finish()


async def gap(stage: Stage) -> None:
    """repairs a gap"""
    connection = await stage.begin()
    log = stage.server.log
    last = log.head
    await _gap(stage, connection)
    await stage.delivered()
    stage.subscribed_with(1, last, log.epoch)
    await stage.finish()


async def _gap(stage: Stage, connection: Connection) -> None:
    log = stage.server.log
    missed = [log.append() for _ in range(4)]
    await connection.send({"type": "gap", "from": missed[0]["seq"], "to": missed[-1]["seq"], "epoch": log.epoch})
    # The server does not wait for the client to do something about it.
    await connection.send(log.append(), log.append())


async def gap_known(stage: Stage) -> None:
    """delivers nothing twice if the gap covers events it has"""
    connection = await stage.begin(events=5)
    await connection.send({"type": "gap", "from": 3, "to": 4, "epoch": stage.server.log.epoch})
    await stage.server.send_events(2)
    await stage.finish()


async def gap_lost(stage: Stage) -> None:
    """accepts a reset if a gap cannot be filled"""
    connection = await stage.begin()
    log = stage.server.log
    log.first = log.head + 3
    await _gap(stage, connection)
    await stage.finish(resets=1)


async def duplicates(stage: Stage) -> None:
    """delivers an event once that is sent twice"""
    connection = await stage.begin()
    log = stage.server.log
    for _ in range(3):
        event = log.append()
        await connection.send(event, event, *log.events[-2:])
    await stage.finish()


async def unknown_types(stage: Stage) -> None:
    """ignores messages of a newer server"""
    connection = await stage.begin()
    log = stage.server.log
    await connection.send({"type": "from.the.future", "seq": "no number", "more": [1, 2]}, {"type": "tide", "high": True})
    await stage.server.send_events(type_="kpi.renamed")
    await stage.server.send_events(type_="job.finished")
    await connection.send(log.append(colour="green", data={**DATA["samples"], "unit": {"name": "€"}}))
    await stage.finish()


async def nonsense(stage: Stage) -> None:
    """keeps following, or resumes, after malformed messages"""
    connection = await stage.begin()
    await connection.send("", "no json", "null", "[1, 2]", '"text"', "{}", '{"type": 7}', b"\x00\x01\xff")
    await stage.server.send_events()
    await stage.finish()


async def error_message(stage: Stage) -> None:
    """keeps following after an error message"""
    connection = await stage.begin()
    await connection.send({"type": "error", "title": "The message is not understood", "detail": "unknown variant"})
    await stage.finish()


async def slow_start(stage: Stage) -> None:
    """waits for a slow server"""
    stage.server.handshake_delay = 3.0
    stage.server.by_hand = True
    stage.server.log.append()
    await stage.server.listen()
    connection = await stage.connected()
    subscribe = await connection.subscription()
    await asyncio.sleep(3.0)
    stage.server.by_hand = False
    stage.server.handshake_delay = 0.0
    await connection.answer(subscribe)
    await stage.finish()


async def snapshot_late(stage: Stage) -> None:
    """asks for the first snapshot again if it did not arrive"""
    stage.server.by_hand = True
    stage.server.log.append()
    await stage.server.listen()
    connection = await stage.connected()
    await connection.subscription()
    await connection.send(stage.server.log.subscribed(None))
    stage.server.by_hand = False
    connection.drop()
    await stage.connected()
    await stage.finish()
    stage.subscribed_with(1, "snapshot")


async def refused(stage: Stage) -> None:
    """tries again after a refused handshake, with a pause"""
    stage.server.refuse = lambda attempt: attempt <= 3
    await stage.begin()
    stage.not_at_once(4)
    await stage.finish()


async def unreachable(stage: Stage) -> None:
    """tries again while no server listens"""
    await stage.waiting()
    await stage.begin()
    await stage.finish()


async def closed_at_once(stage: Stage) -> None:
    """tries again after the server closes at once, with a pause"""
    stage.server.by_hand = True
    stage.server.log.append()
    await stage.server.listen()
    for _ in range(3):
        connection = await stage.connected()
        await connection.close(1013, "try again later")
        await stage.gone(connection)
    stage.server.by_hand = False
    await stage.connected()
    stage.not_at_once(4)
    await stage.finish()


async def half_open(stage: Stage) -> None:
    """detects a half-open connection"""
    connection = await stage.begin()
    await _away(stage, connection.fall_silent)
    await stage.finish()


async def large(stage: Stage) -> None:
    """delivers 20,000 events in one go"""
    await stage.begin()
    await stage.server.send_events(20_000)
    await stage.finish()


SCENARIOS: list[Scenario] = [
    follows,
    first_message,
    resume,
    resume_close_code,
    not_recovered,
    new_epoch,
    epoch_in_flight,
    restarts,
    restart_in_flight,
    gap,
    gap_known,
    gap_lost,
    duplicates,
    unknown_types,
    nonsense,
    error_message,
    slow_start,
    snapshot_late,
    refused,
    unreachable,
    closed_at_once,
    half_open,
    large,
]
