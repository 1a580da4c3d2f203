"""What is made of each message, without a network."""

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


def hear(link: Link, *messages: object) -> list[Effect]:
    return [effect for message in messages for effect in link.hear(message, 0.0)]


def live(seq: int = 10) -> Link:
    link = Link()
    link.open()
    hear(link, subscribed(None), snapshot(seq))
    return link


def seqs(effects: list[Effect]) -> list[int]:
    return [effect.seq for effect in effects if not isinstance(effect, Send)]


def sent(effects: list[Effect]) -> list[object]:
    return [json.loads(effect.text) for effect in effects if isinstance(effect, Send)]


def test_begins_with_a_snapshot_that_is_no_loss() -> None:
    link = Link()
    assert json.loads(link.open().text) == {"type": "subscribe", "since": "snapshot"}
    (first,) = hear(link, subscribed(None), snapshot(10))
    assert isinstance(first, Snapshot) and not first.lost


def test_delivers_every_event_once_in_order() -> None:
    assert seqs(hear(live(10), event(9), event(10), event(11), event(11), event(14), event(12))) == [11, 14]


def test_resumes_with_its_filter_from_the_last_event() -> None:
    link = Link(first="live", kpis=("host.*",), types=("samples",))
    link.open()
    hear(link, subscribed(None, seq=10), event(11))
    wanted = {"kpis": ["host.*"], "types": ["samples"]}
    assert json.loads(link.open().text) == {"type": "subscribe", "since": 11, "epoch": "e", "filter": wanted}


def test_resumes_from_where_it_began_when_nothing_came() -> None:
    link = Link(first="live")
    link.open()
    hear(link, subscribed(None, seq=10))
    assert json.loads(link.open().text)["since"] == 10


def test_says_that_something_was_lost() -> None:
    link = live(10)
    link.open()
    effects = hear(link, subscribed(False), event(500), snapshot(900, "f"), event(901, "f"))
    assert seqs(effects) == [900, 901]
    assert isinstance(effects[0], Snapshot) and effects[0].lost


def test_starts_over_in_another_epoch() -> None:
    effects = hear(live(10), event(11, "f"), event(12, "f"))
    assert sent(effects) == [{"type": "subscribe", "since": "snapshot"}]
    assert seqs(effects) == []


def test_repairs_a_gap_before_it_goes_on() -> None:
    link = live(10)
    effects = hear(link, event(11), {"type": "gap", "from": 12, "to": 20}, event(21), subscribed(True), event(12), event(21))
    assert sent(effects) == [{"type": "subscribe", "since": 11, "epoch": "e"}]
    assert seqs(effects) == [11, 12, 21]


def test_passes_over_a_gap_of_what_it_has() -> None:
    assert seqs(hear(live(10), {"type": "gap", "from": 5, "to": 10}, event(11))) == [11]


def test_takes_a_snapshot_when_gaps_keep_coming() -> None:
    link = live(10)
    effects: list[Effect] = []
    for _ in range(GAPS_BEFORE_SNAPSHOT):
        effects = hear(link, {"type": "gap", "from": 11, "to": 20}, subscribed(True))
    assert sent(effects) == [{"type": "subscribe", "since": "snapshot"}]


def test_tells_events_it_does_not_know() -> None:
    effects = hear(live(10), event(11, type="tide.rose", height=3), event(12, type="kpi.parked"), event(13))
    assert [type(effect) for effect in effects] == [UnknownEvent, UnknownEvent, KpiResumed]
    assert isinstance(effects[0], UnknownEvent) and effects[0].data == {"height": 3}


def test_does_not_go_on_behind_a_snapshot_it_cannot_read() -> None:
    link = Link()
    link.open()
    with pytest.raises(NotUnderstood):
        hear(link, subscribed(None), {"type": "snapshot", "seq": 3, "epoch": "e"})


def test_passes_over_nonsense() -> None:
    assert hear(live(), None, 7, "text", [1], {}, {"type": 7}, {"type": "from.the.future"}) == []


def test_resumes_from_an_earlier_run() -> None:
    link = Link(position=Position(7, "e"))
    assert json.loads(link.open().text) == {"type": "subscribe", "since": 7, "epoch": "e"}
    assert seqs(hear(link, subscribed(True), event(7), event(8))) == [8]


def test_waits_longer_after_each_failure_up_to_a_limit() -> None:
    assert [backoff(failures, 0.0) for failures in (1, 2, 3, 6, 500)] == [0.25, 0.5, 1.0, 7.5, 7.5]
    assert backoff(500, 0.999) < 15.0
