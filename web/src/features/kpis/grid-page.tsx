/** All series as cards: filtered, ordered, walked with the arrow keys. */

import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import { seriesKey } from "@earcon/client";
import type { LiveSeries } from "../../live/workspace-state.ts";
import { compareNames, familyOf, matches } from "../../format/names.ts";
import { Card } from "./card.tsx";
import { EmptyWorkspace, NothingMatches, Unreachable } from "./empty.tsx";
import { useKept, useSignal, useSurroundings } from "../../hooks/app-context.ts";

/** Cards ordered by score change places at most this often, and never under a pointer. */
const REORDER_MS = 5_000;
const CUE_MS = 1_800;

/** Coming back from a KPI's page finds the filter as it was. */
let lastFilter = "";

export function Grid() {
  const { station } = useSurroundings();
  const shape = useSignal(station.shape);
  useSignal(station.link);
  const [filter, setFilter] = useState(lastFilter);
  useEffect(() => {
    lastFilter = filter;
  }, [filter]);
  const [order, setOrder] = useKept("order", "name");
  const cued = useCued();
  const list = useRef<HTMLUListElement>(null);
  const round = useReordering(order === "score", list);
  const shown = useMemo(() => {
    const all = [...station.board.series.values()].filter((series) => matches(filter, series.kpi, series.labelText));
    return order === "score" ? all.sort(byScore) : all.sort(byName);
    // `shape` and `round` stand for what is inside the board.
  }, [station, filter, order, shape, round]);

  if (station.board.series.size === 0) {
    return station.board.ready || station.empty ? <EmptyWorkspace /> : <Unreachable />;
  }
  return (
    <section className="grid" aria-label="KPIs">
      <div className="tools">
        <input
          id="filter"
          type="search"
          placeholder="Filter"
          aria-label="Filter KPIs"
          aria-keyshortcuts="/"
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") {
              setFilter("");
              event.currentTarget.blur();
            } else if (event.key === "ArrowDown" || event.key === "Enter") {
              event.preventDefault();
              list.current?.querySelector<HTMLElement>("a.card")?.focus();
            }
          }}
        />
        <span className="count" role="status">
          {shown.length === station.board.series.size ? "" : `${shown.length} of `}
          {station.board.series.size} series
        </span>
        <div className="choice" role="group" aria-label="Order">
          {["name", "score"].map((each) => (
            <button key={each} type="button" aria-pressed={order === each} onClick={() => setOrder(each)}>
              By {each}
            </button>
          ))}
        </div>
      </div>
      {shown.length === 0 && <NothingMatches filter={filter} clear={() => setFilter("")} />}
      <ul ref={list} className={`cards by-${order}`} onKeyDown={walk}>
        {shown.map((series, i) => (
          <Card
            key={series.key}
            series={series}
            heading={heading(series, shown[i - 1], order)}
            cued={cued === series.key}
          />
        ))}
      </ul>
    </section>
  );
}

function heading(series: LiveSeries, before: LiveSeries | undefined, order: string): string {
  const family = familyOf(series.kpi);
  const same = order === "name" && before !== undefined && familyOf(before.kpi) === family;
  return same ? "" : family.replaceAll(".", " · ");
}

function byName(a: LiveSeries, b: LiveSeries): number {
  return (
    compareNames(familyOf(a.kpi), familyOf(b.kpi)) ||
    compareNames(a.kpi, b.kpi) ||
    compareNames(a.labelText, b.labelText)
  );
}

const RANKS: Record<LiveSeries["state"], number> = {
  anomalous: 0,
  parked: 1,
  normal: 2,
  warming: 3,
  stalled: 4,
  ended: 5,
};

function byScore(a: LiveSeries, b: LiveSeries): number {
  return RANKS[a.state] - RANKS[b.state] || (b.score ?? -1) - (a.score ?? -1) || byName(a, b);
}

/** Grows when it is time to order the cards anew. */
function useReordering(on: boolean, list: React.RefObject<HTMLUListElement | null>): number {
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (!on) {
      return;
    }
    const timer = setInterval(() => {
      const element = list.current;
      const busy = element !== null && (element.matches(":hover") || element.contains(document.activeElement));
      setRound((round) => (busy ? round : round + 1));
    }, REORDER_MS);
    return () => clearInterval(timer);
  }, [on, list]);
  return round;
}

/** The series whose cue sounds right now. */
function useCued(): string | null {
  const { listener, heard } = useSurroundings();
  useSignal(heard);
  const cue = listener.now.cue;
  const [over, setOver] = useState(0);
  useEffect(() => {
    if (cue === null) {
      return;
    }
    const timer = setTimeout(() => setOver(cue.at), CUE_MS);
    return () => clearTimeout(timer);
  }, [cue]);
  return cue === null || cue.at === over ? null : seriesKey(cue.kpi, cue.labels);
}

/** Arrow keys go to the nearest card in their direction. */
function walk(event: KeyboardEvent<HTMLUListElement>): void {
  const here = document.activeElement;
  const cards = [...event.currentTarget.querySelectorAll<HTMLElement>("a.card")];
  const at = cards.findIndex((card) => card === here);
  if (at < 0) {
    return;
  }
  const there = neighbour(cards, at, event.key);
  if (there !== undefined) {
    event.preventDefault();
    there.focus();
    there.scrollIntoView({ block: "nearest" });
  }
}

function neighbour(cards: HTMLElement[], at: number, key: string): HTMLElement | undefined {
  switch (key) {
    case "ArrowRight":
      return cards[at + 1];
    case "ArrowLeft":
      return cards[at - 1];
    case "Home":
      return cards[0];
    case "End":
      return cards[cards.length - 1];
    case "ArrowDown":
    case "ArrowUp": {
      const columns = cards.filter((card) => top(card) === top(cards[0])).length;
      return cards[key === "ArrowDown" ? at + columns : at - columns];
    }
    default:
      return undefined;
  }
}

function top(card: HTMLElement | undefined): number {
  return Math.round(card?.getBoundingClientRect().top ?? 0);
}
