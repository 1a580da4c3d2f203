/** One anomaly: its sentence, its explanation, and the button to acknowledge it. */

import { useState } from "react";
import { type Anomaly, labelText } from "@earcon/client";
import { around } from "../format/ranges.ts";
import { ago, clock, date, lasted } from "../format/time.ts";
import { departureSign, outcomeText, sentenceParts } from "../format/anomalies.ts";
import { AnomalyExplanation } from "./anomaly-explanation.tsx";
import { Stalled } from "./stalled.tsx";
import { useAppContext } from "../hooks/app-context.ts";
import { usePermissions } from "../hooks/session-context.ts";
import { useLink } from "../hooks/use-link.ts";
import { useNow } from "../hooks/use-now.ts";
import { visible } from "../format/visible.ts";

export function AnomalyItem({ anomaly }: { anomaly: Anomaly }) {
  const now = useNow();
  const link = useLink();
  const [explained, setExplained] = useState(false);
  const open = anomaly.state === "open";
  const { name, rest } = sentenceParts(anomaly);
  const href = link({
    page: "kpi",
    kpi: anomaly.kpi,
    series: [labelText(anomaly.labels)].filter(Boolean),
    range: around(anomaly.opened_at, open ? null : anomaly.last_at, now),
  });
  return (
    <li
      className={`anomaly is-${anomaly.state}${anomaly.acknowledged === null ? "" : " is-acknowledged"}${anomaly.muted ? " is-muted" : ""}`}
      data-testid="anomaly"
      data-anomaly={anomaly.id}
      data-kpi={anomaly.kpi}
      data-state={anomaly.state}
      data-acknowledged={anomaly.acknowledged !== null}
      data-muted={anomaly.muted ?? undefined}
    >
      <a className="what" href={href}>
        <span className="words" data-testid="sentence">
          <span aria-hidden="true">{departureSign(anomaly)} </span>
          <span className="name">{name}</span>
          {rest}
        </span>
      </a>
      <div className="meta">
        <span>
          {open && <strong>open</strong>}
          <time dateTime={new Date(anomaly.opened_at).toISOString()} title={date(anomaly.opened_at)}>
            {ago(anomaly.opened_at, now)}
          </time>
          {!open && <span className="muted"> · {lasted(anomaly.opened_at, anomaly.last_at)}</span>}
          {open && <Stalled of={[anomaly]} />}
        </span>
        <span className="actions">
          {anomaly.muted && <span className="muted">muted: {anomaly.muted}</span>}
          {anomaly.feedback && <span className="muted">{outcomeText(anomaly.feedback.outcome)}</span>}
          <button
            type="button"
            className="quiet"
            aria-expanded={explained}
            aria-label={`Why ${anomaly.kpi}`}
            onClick={() => setExplained(!explained)}
          >
            Why
          </button>
          <Acknowledgement anomaly={anomaly} />
        </span>
      </div>
      {explained && <AnomalyExplanation anomaly={anomaly} />}
      {anomaly.acknowledged !== null && anomaly.acknowledged.note !== null && (
        <p className="note">“{visible(anomaly.acknowledged.note)}”</p>
      )}
    </li>
  );
}

function Acknowledgement({ anomaly }: { anomaly: Anomaly }) {
  const may = usePermissions();
  if (anomaly.acknowledged !== null) {
    const { by, at } = anomaly.acknowledged;
    return (
      <span className="muted" title={`${by}, ${date(at)}`}>
        acknowledged {clock(at)}
      </span>
    );
  }
  return may.has("acknowledge") ? <Acknowledge anomaly={anomaly} /> : null;
}

function Acknowledge({ anomaly }: { anomaly: Anomaly }) {
  const { store } = useAppContext();
  const [note, setNote] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const acknowledge = (text: string) =>
    store.api.acknowledge(anomaly.id, text).then(
      (answer) => {
        store.state.applyAnomalies([answer]);
        store.notify();
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
        <button type="button" onClick={() => void acknowledge("")} aria-label={`Acknowledge ${anomaly.kpi}`}>
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
        void acknowledge(note);
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
