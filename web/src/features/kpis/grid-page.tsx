/** All series of the workspace as cards, filtered and ordered. */

import { useEffect, useMemo, useRef, useState } from "react";
import { seriesKey } from "@earcon/client";
import { matches } from "../../format/names.ts";
import type { GridView, Route } from "../../format/route.ts";
import { Card } from "./card.tsx";
import { EmptyWorkspace, NothingMatches, Unreachable } from "./empty.tsx";
import { moveFocus } from "./grid-keys.ts";
import { byName, byScore, headingOf, useReorderCount } from "./grid-order.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useOutdated } from "../../hooks/use-outdated.ts";
import { replaceRoute } from "../../hooks/use-route.ts";
import { useSignal } from "../../hooks/use-signal.ts";
import { useStored } from "../../hooks/use-stored.ts";

/** How long a card is highlighted after a cue of its series. */
const CUE_MS = 1_800;

/** The address follows the filter after this time, because browsers limit its changes. */
const ADDRESS_MS = 250;

type GridRoute = Extract<Route, GridView>;

export function GridPage({ route }: { route: GridRoute }) {
  const { store } = useAppContext();
  const version = useSignal(store.seriesChanged);
  useSignal(store.connectionChanged);
  const [filter, setFilter] = useFilter(route);
  const order = route.order ?? "name";
  const [, setPreferred] = useStored("order", order);
  const setOrder = (order: string) => {
    setPreferred(order);
    const { order: _, ...others } = route;
    replaceRoute(order === "score" ? { ...others, order } : others);
  };
  const cued = useCued();
  const outdated = useOutdated();
  const list = useRef<HTMLUListElement>(null);
  const reorders = useReorderCount(order === "score", list);
  const shown = useMemo(() => {
    const all = [...store.state.series.values()].filter((series) => matches(filter, series.kpi, series.labelText));
    return order === "score" ? all.sort(byScore) : all.sort(byName);
    // `version` and `reorders` change when the contents of the state do.
  }, [store, filter, order, version, reorders]);

  if (store.state.series.size === 0) {
    return store.state.ready && outdated === null ? <EmptyWorkspace /> : <Unreachable />;
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
          {shown.length === store.state.series.size ? "" : `${shown.length} of `}
          {store.state.series.size} series
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
      <ul ref={list} className={`cards by-${order}`} onKeyDown={moveFocus}>
        {shown.map((series, i) => (
          <Card
            key={series.key}
            series={series}
            heading={headingOf(series, shown[i - 1], order)}
            cued={cued === series.key}
          />
        ))}
      </ul>
    </section>
  );
}

/** The filter of the address, also while it is being typed. */
function useFilter(route: GridRoute): [string, (filter: string) => void] {
  const { view } = useAppContext();
  const linked = route.filter ?? "";
  const [filter, setFilter] = useState(linked);
  const latest = useRef(route);
  latest.current = route;
  useEffect(() => setFilter(linked), [linked]);
  useEffect(() => {
    if (filter === linked) {
      return;
    }
    // Links of this page have it at once.
    view.current = { ...view.current, filter };
    const timer = setTimeout(() => {
      const { filter: _, ...others } = latest.current;
      replaceRoute(filter === "" ? others : { ...others, filter });
    }, ADDRESS_MS);
    return () => clearTimeout(timer);
  }, [filter, linked, view]);
  return [filter, setFilter];
}

/** Key of the series whose cue is playing. null if there is none. */
function useCued(): string | null {
  const { player, playerChanged } = useAppContext();
  useSignal(playerChanged);
  const cue = player.now.cue;
  const [ended, setEnded] = useState(0);
  useEffect(() => {
    if (cue === null) {
      return;
    }
    const timer = setTimeout(() => setEnded(cue.at), CUE_MS);
    return () => clearTimeout(timer);
  }, [cue]);
  return cue === null || cue.at === ended ? null : seriesKey(cue.kpi, cue.labels);
}
