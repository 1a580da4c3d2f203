/** One anomaly: what moved, when, and the button that says that somebody has seen it; it opens to why. */

import { useState } from "react";
import { type Anomaly, labelText } from "@earcon/client";
import { familyOf, labelsShown, titleOf } from "../format/names.ts";
import { around } from "../format/ranges.ts";
import { routeHash } from "../format/route.ts";
import { ago, clock, date, span } from "../format/time.ts";
import { whatMoved } from "../format/anomalies.ts";
import { Why } from "./anomaly-explanation.tsx";
import { useNow, useSurroundings } from "../hooks/app-context.ts";

export function AnomalyItem({ anomaly }: { anomaly: Anomaly }) {
  const now = useNow();
  const [asked, setAsked] = useState(false);
  const open = anomaly.state === "open";
  const lasted = anomaly.last_at - anomaly.opened_at;
  const href = routeHash({
    page: "kpi",
    kpi: anomaly.kpi,
    series: [labelText(anomaly.labels)].filter(Boolean),
    range: around(anomaly.opened_at, open ? null : anomaly.last_at, now),
  });
  return (
    <li
      className={`anomaly is-${anomaly.state}${anomaly.acknowledged === null ? "" : " is-seen"}${anomaly.muted ? " is-muted" : ""}`}
      data-testid="anomaly"
      data-anomaly={anomaly.id}
      data-kpi={anomaly.kpi}
      data-state={anomaly.state}
      data-acknowledged={anomaly.acknowledged !== null}
      data-muted={anomaly.muted ?? undefined}
    >
      <a className="what" href={href}>
        <span className="name">
          <span className="family">{familyOf(anomaly.kpi).replaceAll(".", " · ")}</span> {titleOf(anomaly.kpi)}{" "}
          <span className="labels">{labelsShown(anomaly.labels)}</span>
        </span>
        <span className="words">
          <span aria-hidden="true">{anomaly.direction === "above" ? "▲" : "▼"}</span>
          <span className="sr">{anomaly.direction}</span> {whatMoved(anomaly)}
        </span>
      </a>
      <div className="meta">
        <span>
          {open && <strong>open</strong>}
          <time dateTime={new Date(anomaly.opened_at).toISOString()} title={date(anomaly.opened_at)}>
            {ago(anomaly.opened_at, now)}
          </time>
          {!open && <span className="muted"> · {lasted < 1_000 ? "one sample" : `for ${span(lasted)}`}</span>}
        </span>
        <span className="actions">
          {anomaly.muted && <span className="muted">muted: {anomaly.muted}</span>}
          {anomaly.verdict && <span className="muted">{anomaly.verdict.verdict}</span>}
          <button
            type="button"
            className="quiet"
            aria-expanded={asked}
            aria-label={`Why ${anomaly.kpi}`}
            onClick={() => setAsked(!asked)}
          >
            Why
          </button>
          <Acknowledge anomaly={anomaly} />
        </span>
      </div>
      {asked && <Why anomaly={anomaly} />}
      {anomaly.acknowledged !== null && anomaly.acknowledged.note !== null && (
        <p className="note">“{anomaly.acknowledged.note}”</p>
      )}
    </li>
  );
}

function Acknowledge({ anomaly }: { anomaly: Anomaly }) {
  const { station } = useSurroundings();
  const [note, setNote] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  if (anomaly.acknowledged !== null) {
    const { by, at } = anomaly.acknowledged;
    return (
      <span className="muted" title={`${by}, ${date(at)}`}>
        seen {clock(at)}
      </span>
    );
  }
  const send = (text: string) =>
    station.api.acknowledge(anomaly.id, text).then(
      (answer) => {
        station.board.takeAnomalies([answer]);
        station.announce();
      },
      (error: Error) => setProblem(error.message),
    );
  if (note === null) {
    return (
      <span className="acknowledge">
        {problem !== null && <span role="alert">{problem}</span>}
        <button type="button" className="quiet" onClick={() => setNote("")}>
          Note…
        </button>
        <button type="button" onClick={() => void send("")} aria-label={`Acknowledge ${anomaly.kpi}`}>
          Acknowledge
        </button>
      </span>
    );
  }
  return (
    <form
      className="acknowledge"
      onSubmit={(event) => {
        event.preventDefault();
        void send(note);
      }}
      onKeyDown={(event) => event.key === "Escape" && setNote(null)}
    >
      {problem !== null && <span role="alert">{problem}</span>}
      <input
        autoFocus
        aria-label="Note"
        placeholder="What was it?"
        maxLength={500}
        value={note}
        onChange={(event) => setNote(event.target.value)}
      />
      <button type="submit">Acknowledge</button>
    </form>
  );
}
