/** Why an anomaly is one: the sentence, the picture, episodes like it, and what can be said of it. */

import { useEffect, useState } from "react";
import type { Anomaly, ExplainedAnomaly } from "@earcon/client";
import { date } from "../format/time.ts";
import { useSurroundings } from "../hooks/app-context.ts";

/** Lengths of time that a series can be muted for from here. */
const LENGTHS = ["30m", "2h", "1d", "7d"];

export function Why({ anomaly }: { anomaly: Anomaly }) {
  const { station } = useSurroundings();
  const [told, setTold] = useState<ExplainedAnomaly | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [asked, setAsked] = useState(0);
  const { id, state, last_at } = anomaly;
  useEffect(() => {
    const stop = new AbortController();
    station.api.explain(id, stop.signal).then(
      (answer) => {
        setTold(answer);
        // Whether it is muted may have changed.
        station.board.takeAnomalies([answer]);
        station.announce();
        setProblem(null);
      },
      (error: Error) => !stop.signal.aborted && setProblem(error.message),
    );
    return () => stop.abort();
  }, [station, id, state, asked]);

  const failed = (error: Error) => setProblem(error.message);
  const judge = (verdict: "real" | "false") =>
    station.api.judge(id, verdict).then((answer) => {
      station.board.takeAnomalies([answer]);
      station.announce();
      setAsked(asked + 1);
    }, failed);
  const mute = (length: string) => station.api.mute(id, length).then(() => setAsked(asked + 1), failed);

  const said = told?.verdict?.verdict ?? anomaly.verdict?.verdict;
  return (
    <div className="why" data-testid="why">
      {problem !== null && <p role="alert">{problem}</p>}
      <p data-testid="sentence">{told?.explanation.sentence ?? anomaly.sentence ?? ""}</p>
      {/* The address changes with the episode, so that an open one is drawn anew. */}
      <img src={`${station.api.picture(id)}?width=720&height=300&at=${last_at}`} width={720} height={300} alt={told?.explanation.sentence ?? ""} />
      {told !== null && told.explanation.similar.length > 0 && (
        <ul className="similar" aria-label="Similar episodes">
          <li className="muted">Similar before:</li>
          {told.explanation.similar.map((past) => (
            <li key={past.id}>
              <time dateTime={new Date(past.opened_at).toISOString()}>{date(past.opened_at)}</time>
              {past.outcome !== "none" && <span className="muted"> · {past.outcome}</span>}
            </li>
          ))}
        </ul>
      )}
      {told?.mute != null && (
        <p className="muted" data-testid="mute">
          muted until {date(told.mute.until)}: {told.mute.name}
          {told.mute.reason !== null && ` (${told.mute.reason})`}
        </p>
      )}
      <div className="verdicts">
        <button type="button" aria-pressed={said === "real"} onClick={() => void judge("real")}>
          Real
        </button>
        <button type="button" aria-pressed={said === "false"} onClick={() => void judge("false")}>
          False
        </button>
        <label>
          Mute for{" "}
          <select value="" onChange={(event) => event.target.value !== "" && void mute(event.target.value)}>
            <option value="">…</option>
            {LENGTHS.map((length) => (
              <option key={length} value={length}>
                {length}
              </option>
            ))}
          </select>
        </label>
      </div>
    </div>
  );
}
