"""Tests of the subscription's state machine, without a network."""

import json

import pytest

from earcon import KpiResumed, NotUnderstood, Position, Snapshot, UnknownEvent
from earcon.backoff import backoff
from earcon.link import GAPS_BEFORE_SNAPSHOT, Effect, Link, Send


def event(seq: int, epoch: str = "e", type: str = "kpi.resumed", **data: object) -> dict[str, object]:
    return {"seq": seq, "epoch": epoch, "time": 0, "type": type, "workspace": "w", "subject": "kpi/k", "kpi": "k", "data": data}


def subscribed(recovered: bool | None, seq: int = 10) -> dict[str, object]:
    return {"type": "subscribed", "seq": seq, "epoch": "e", "recovered": recovered}


def snapshot(seq: int, epoch: str = "e") -> dict[str, object]:
    return {"type": "snapshot", "seq": seq, "epoch": epoch, "kpis": [], "anomalies": [], "incidents": []}


def gap(start: int, end: int, epoch: str = "e") -> dict[str, object]:
    return {"type": "gap", "from": start, "to": end, "epoch": epoch}


def handle(link: Link, *messages: object) -> list[Effect]:
    return [effect for message in messages for effect in link.handle(message, 0.0)]


def live(seq: int = 10) -> Link:
    link = Link()
    link.open()
    handle(link, subscribed(None), snapshot(seq))
    return link


def seqs(effects: list[Effect]) -> list[int]:
    return [effect.seq for effect in effects if not isinstance(effect, Send)]


def sent(effects: list[Effect]) -> list[object]:
    return [json.loads(effect.text) for effect in effects if isinstance(effect, Send)]


def test_first_snapshot_is_not_marked_as_lost() -> None:
    link = Link()
    assert json.loads(link.open().text) == {"type": "subscribe", "since": "snapshot"}
    (first,) = handle(link, subscribed(None), snapshot(10))
    assert isinstance(first, Snapshot) and not first.lost


def test_events_are_delivered_once_and_in_order() -> None:
    assert seqs(handle(live(10), event(9), event(10), event(11), event(11), event(14), event(12))) == [11, 14]


def test_resume_uses_the_filter_and_the_last_event() -> None:
    link = Link(first="live", kpis=("host.*",), types=("samples",))
    link.open()
    handle(link, subscribed(None, seq=10), event(11))
    wanted = {"kpis": ["host.*"], "types": ["samples"]}
    assert json.loads(link.open().text) == {"type": "subscribe", "since": 11, "epoch": "e", "filter": wanted}


def test_resume_without_events_uses_the_start_position() -> None:
    link = Link(first="live")
    link.open()
    handle(link, subscribed(None, seq=10))
    assert json.loads(link.open().text)["since"] == 10


def test_failed_resume_delivers_a_snapshot_marked_as_lost() -> None:
    link = live(10)
    link.open()
    effects = handle(link, subscribed(False), event(500), snapshot(900, "f"), event(901, "f"))
    assert seqs(effects) == [900, 901]
    assert isinstance(effects[0], Snapshot) and effects[0].lost


def test_events_of_a_later_epoch_are_delivered() -> None:
    link = live(10)
    effects = handle(link, event(11), event(12, "f"))
    assert sent(effects) == [] and seqs(effects) == [11, 12]
    assert link.position == Position(12, "f")


def test_earlier_event_of_another_epoch_requests_a_snapshot() -> None:
    effects = handle(live(10), event(10, "f"), event(11, "f"))
    assert sent(effects) == [{"type": "subscribe", "since": "snapshot"}]
    assert seqs(effects) == []


def test_gap_is_requested_with_the_epoch_of_the_event_before_it() -> None:
    assert sent(handle(live(10), gap(15, 20, "f"))) == [{"type": "subscribe", "since": 14, "epoch": "f"}]


def test_gap_is_repaired_before_later_events() -> None:
    link = live(10)
    effects = handle(link, event(11), gap(12, 20), event(21), subscribed(True), event(12), event(21))
    assert sent(effects) == [{"type": "subscribe", "since": 11, "epoch": "e"}]
    assert seqs(effects) == [11, 12, 21]


def test_gap_of_delivered_events_is_ignored() -> None:
    assert seqs(handle(live(10), gap(5, 10), event(11))) == [11]


def test_repeated_gaps_request_a_snapshot() -> None:
    link = live(10)
    effects: list[Effect] = []
    for _ in range(GAPS_BEFORE_SNAPSHOT):
        effects = handle(link, gap(11, 20), subscribed(True))
    assert sent(effects) == [{"type": "subscribe", "since": "snapshot"}]


def test_unknown_events_are_delivered() -> None:
    effects = handle(live(10), event(11, type="tide.rose", height=3), event(12, type="kpi.parked"), event(13))
    assert [type(effect) for effect in effects] == [UnknownEvent, UnknownEvent, KpiResumed]
    assert isinstance(effects[0], UnknownEvent) and effects[0].data == {"height": 3}


def test_invalid_snapshot_raises_an_error() -> None:
    link = Link()
    link.open()
    with pytest.raises(NotUnderstood):
        handle(link, subscribed(None), {"type": "snapshot", "seq": 3, "epoch": "e"})


def test_invalid_messages_are_ignored() -> None:
    assert handle(live(), None, 7, "text", [1], {}, {"type": 7}, {"type": "from.the.future"}) == []


def test_resume_from_a_position_of_an_earlier_run() -> None:
    link = Link(position=Position(7, "e"))
    assert json.loads(link.open().text) == {"type": "subscribe", "since": 7, "epoch": "e"}
    assert seqs(handle(link, subscribed(True), event(7), event(8))) == [8]


def test_backoff_grows_with_failures_up_to_a_limit() -> None:
    assert [backoff(failures, 0.0) for failures in (1, 2, 3, 6, 500)] == [0.25, 0.5, 1.0, 7.5, 7.5]
    assert backoff(500, 0.999) < 15.0
