/** The KPIs that are audible now, and the last cue. */

import { type HeardCue, type ListenState, seriesKey, type Voice } from "@earcon/client";
import { familyOf, labelsText, titleOf } from "../../format/names.ts";
import { ago } from "../../format/time.ts";
import { useNow } from "../../hooks/use-now.ts";

/** Largest number of voices listed. */
const MAX_LISTED = 12;

/** Why no KPI is listed. The plain stream does not say what is audible. */
const SILENCE_WORDS: Partial<Record<ListenState, string>> = {
  playing: "No KPI is audible right now.",
  mute: "No KPI is audible right now.",
  starting: "Waiting for the sound.",
  reconnecting: "No sound arrives. Silence means nothing until it is back.",
};

/** `dead` says how many series have stalled if none sends: the bed is silent then. */
export function Voices({ voices, state, dead }: { voices: Voice[]; state: ListenState; dead: string | null }) {
  if (voices.length === 0) {
    const sounds = state === "playing" || state === "mute" || state === "fallback";
    if (dead !== null && sounds) {
      return (
        <p className="notice" role="status" data-testid="dead-feeds">
          No data arrives: {dead}. The sound stops until a series is back.
        </p>
      );
    }
    const words = SILENCE_WORDS[state];
    return words === undefined ? null : <p className="muted small">{words}</p>;
  }
  const ordered = [...voices].sort((a, b) => (a.role === b.role ? b.prominence - a.prominence : a.role === "voice" ? -1 : 1));
  return (
    <ul className="voices" aria-label="Audible now">
      {ordered.slice(0, MAX_LISTED).map((voice) => (
        <li key={seriesKey(voice.kpi, voice.labels)} className={`is-${voice.role}`}>
          <span className="name" title={voice.kpi}>
            <span className="family">{familyOf(voice.kpi).replaceAll(".", " · ")}</span> {titleOf(voice.kpi)}{" "}
            <span className="labels">{labelsText(voice.labels)}</span>
          </span>
          <span className="pan" aria-hidden="true">
            <i style={{ left: `${50 + 50 * voice.pan}%` }} />
          </span>
          <span className="meter" aria-hidden="true">
            <span style={{ transform: `scaleX(${voice.prominence})` }} />
          </span>
          <span className="sr">
            {voice.role}, prominence {voice.prominence.toFixed(1)}
          </span>
        </li>
      ))}
    </ul>
  );
}

/** What a cue said of its series. The severity says how an incident began. */
function eventOf({ kind, severity }: HeardCue): string {
  switch (kind) {
    case "opened":
      return severity;
    case "closed":
      return "over";
    case "stalled":
      return "no data";
    case "restored":
      return "data again";
    case "summary":
      return "more events";
  }
}

/** The caption of the last cue. */
export function LastCue({ cue }: { cue: HeardCue }) {
  const now = useNow();
  return (
    <p key={cue.at} className={`cue is-${cue.severity}`} role="status" data-testid="cue">
      <strong>{eventOf(cue)}</strong> {titleOf(cue.kpi)} {labelsText(cue.labels)}{" "}
      <span className="muted">{ago(cue.at, now)}</span>
    </p>
  );
}
