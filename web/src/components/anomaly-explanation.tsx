/**
 * Explanation of an anomaly, below its sentence: how it compares with history, a chart, similar
 * anomalies. Takes feedback and mutes the series.
 */

import { useCallback, useEffect, useState } from "react";
import type { Anomaly, ExplainedAnomaly } from "@earcon/client";
import { explanationText, outcomeText } from "../format/anomalies.ts";
import { date } from "../format/time.ts";
import { useAppContext } from "../hooks/app-context.ts";
import { usePermissions } from "../hooks/session-context.ts";
import { visible } from "../format/visible.ts";

/** An open anomaly is explained again when its series has gone on for this long. */
const REFRESH_MS = 10_000;

/** Durations that a series can be muted for. */
const MUTE_DURATIONS = ["30m", "2h", "1d", "7d"];

export function AnomalyExplanation({ anomaly }: { anomaly: Anomaly }) {
  const { store } = useAppContext();
  const [explained, setExplained] = useState<ExplainedAnomaly | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [reloads, setReloads] = useState(0);
  const may = usePermissions();
  const [size, setSize] = useState<{ width: number; height: number } | null>(null);
  const measure = useCallback((place: HTMLElement | null) => {
    if (place !== null) {
      setSize(pictureSize(place.clientWidth));
    }
  }, []);
  const { id, state, last_at } = anomaly;
  const turn = state === "open" ? Math.floor(last_at / REFRESH_MS) : last_at;
  useEffect(() => {
    const abort = new AbortController();
    store.api.explain(id, abort.signal).then(
      (answer) => {
        setExplained(answer);
        // The answer also says whether the anomaly is muted now.
        store.state.applyAnomalies([answer]);
        store.notify();
        setProblem(null);
      },
      (error: Error) => !abort.signal.aborted && setProblem(error.message),
    );
    return () => abort.abort();
  }, [store, id, state, reloads, turn]);

  const fail = (error: Error) => setProblem(error.message);
  const sendFeedback = (outcome: "real" | "false") =>
    store.api.sendFeedback(id, outcome).then((answer) => {
      store.state.applyAnomalies([answer]);
      store.notify();
      setReloads(reloads + 1);
    }, fail);
  const mute = (duration: string) => store.api.mute(id, duration).then(() => setReloads(reloads + 1), fail);

  const comparison = explained?.explanation.comparison ?? null;
  const feedback = explained?.feedback?.outcome ?? anomaly.feedback?.outcome;
  return (
    <div className="why" data-testid="why" ref={measure}>
      {problem !== null && <p role="alert">{problem}</p>}
      {comparison !== null && <p data-testid="comparison">{comparison}</p>}
      {/* `at` changes, so that the chart of an open anomaly is reloaded. */}
      {size !== null && (
        <img
          src={`${store.api.picture(id)}?width=${size.width}&height=${size.height}&at=${turn}`}
          width={size.width}
          height={size.height}
          alt={explanationText(anomaly, comparison)}
        />
      )}
      {explained !== null && <Similar explained={explained} />}
      {explained?.mute != null && (
        <p className="muted" data-testid="mute">
          muted until {date(explained.mute.until)}: {explained.mute.name}
          {explained.mute.reason !== null && ` (${visible(explained.mute.reason)})`}
        </p>
      )}
      <div className="feedback">
        {may.has("feedback") && (
          <>
            <button type="button" aria-pressed={feedback === "real"} onClick={() => void sendFeedback("real")}>
              Real
            </button>
            <button type="button" aria-pressed={feedback === "false"} onClick={() => void sendFeedback("false")}>
              False alarm
            </button>
          </>
        )}
        {may.has("mute") && <MuteFor mute={(duration) => void mute(duration)} />}
      </div>
    </div>
  );
}

function MuteFor({ mute }: { mute(duration: string): void }) {
  return (
    <label>
      Mute for{" "}
      <select value="" onChange={({ target }) => target.value !== "" && mute(target.value)}>
        <option value="">…</option>
        {MUTE_DURATIONS.map((duration) => (
          <option key={duration} value={duration}>
            {duration}
          </option>
        ))}
      </select>
    </label>
  );
}

/** As wide as its place, so that its letters have their size. Within the limits of the server. */
function pictureSize(room: number): { width: number; height: number } {
  const width = Math.min(720, Math.max(240, Math.floor(room)));
  return { width, height: Math.max(160, Math.round(0.42 * width)) };
}

function Similar({ explained }: { explained: ExplainedAnomaly }) {
  const { similar } = explained.explanation;
  if (similar.length === 0) {
    return null;
  }
  return (
    <ul className="similar" aria-label="Similar earlier anomalies">
      <li className="muted">Similar earlier anomalies:</li>
      {similar.map((earlier) => (
        <li key={earlier.id}>
          <time dateTime={new Date(earlier.opened_at).toISOString()}>{date(earlier.opened_at)}</time>
          {earlier.outcome !== "none" && <span className="muted"> · {outcomeText(earlier.outcome)}</span>}
        </li>
      ))}
    </ul>
  );
}
