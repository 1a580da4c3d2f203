/** The sound: a button in the header, and under it who sounds, how loud, and how much. */

import { useEffect, useState } from "react";
import { type ListenState, seriesKey, type Voice } from "@earcon/client";
import { familyOf, labelsShown, titleOf } from "../../format/names.ts";
import { ago } from "../../format/time.ts";
import { useKept, useNow, useSignal, useSurroundings } from "../../hooks/app-context.ts";
import { useMix } from "../../hooks/use-mix.ts";

const WORDS: Record<ListenState, string> = {
  off: "Listen",
  starting: "Tuning in…",
  playing: "Listening",
  mute: "No sound device",
  reconnecting: "Reconnecting…",
  fallback: "Listening",
  failed: "Listen",
};

export function ListenButton() {
  const { listener, heard, station } = useSurroundings();
  useSignal(heard);
  const { state } = listener.now;
  const on = state !== "off" && state !== "failed";
  const toggle = () => (on ? listener.stop() : listener.start(station.api));
  return (
    <div className="listen">
      <button
        type="button"
        id="listen"
        className={`listen-button is-${state}`}
        aria-pressed={on}
        aria-keyshortcuts="l"
        title={on ? "Stop listening (l)" : "Hear these KPIs (l)"}
        onClick={toggle}
      >
        <Waves on={state === "playing" || state === "fallback"} />
        {WORDS[state]}
      </button>
      {state !== "off" && <Panel />}
    </div>
  );
}

function Waves({ on }: { on: boolean }) {
  return (
    <svg viewBox="0 0 18 16" width="18" height="16" aria-hidden="true" className={on ? "waves is-on" : "waves"}>
      <path d="M2 6.5v3" />
      <path d="M6.5 4v8" />
      <path d="M11 1.5v13" />
      <path d="M15.5 5.5v5" />
    </svg>
  );
}

function Panel() {
  const { listener, heard } = useSurroundings();
  useSignal(heard);
  const [folded, setFolded] = useKept("listen-folded", "");
  const { state, advice, voices, cue } = listener.now;
  const meters = useCounters(state !== "failed");
  return (
    <section
      className="listen-panel"
      aria-label="Sound"
      data-testid="sound"
      data-state={state}
      data-received={meters.received}
      data-decoded={meters.decoded}
      data-played={meters.played}
      data-dropped={meters.dropped}
      data-voices={voices.length}
    >
      {advice !== null && (
        <p className="notice" role="alert">
          {advice}
        </p>
      )}
      {state !== "failed" && (
        <>
          <div className="listen-head">
            <Volume />
            <Level peak={meters.peak} />
            <button
              type="button"
              className="icon"
              aria-expanded={folded === ""}
              aria-label="Details of the sound"
              onClick={() => setFolded(folded === "" ? "folded" : "")}
            >
              {folded === "" ? "▴" : "▾"}
            </button>
          </div>
          {folded === "" && (
            <>
              <MixSettings />
              <Voices voices={voices} state={state} />
              {cue !== null && <LastCue at={cue.at} severity={cue.severity} kpi={cue.kpi} labels={cue.labels} />}
              <p className="muted small">
                {state === "fallback"
                  ? "Played as a plain stream: some seconds behind."
                  : `${Math.round(meters.waiting)} ms buffered · ${meters.dropped} packets dropped`}
              </p>
            </>
          )}
        </>
      )}
    </section>
  );
}

/** Counters move without telling; five looks a second are enough for eyes. */
function useCounters(on: boolean) {
  const { listener } = useSurroundings();
  const [counters, setCounters] = useState(listener.counters);
  useEffect(() => {
    if (!on) {
      return;
    }
    const timer = setInterval(() => setCounters(listener.counters), 200);
    return () => clearInterval(timer);
  }, [listener, on]);
  return counters;
}

function Volume() {
  const { listener } = useSurroundings();
  const [volume, setVolume] = useKept("volume", "0.8");
  return (
    <label className="volume">
      <span className="sr">Volume</span>
      <input
        type="range"
        min={0}
        max={1}
        step={0.02}
        value={volume}
        onChange={(event) => {
          setVolume(event.target.value);
          listener.volume = Number(event.target.value);
        }}
      />
    </label>
  );
}

/** How loud it is, in decibels from -48 to 0. */
function Level({ peak }: { peak: number }) {
  const level = peak > 0 ? Math.min(1, Math.max(0, 1 + (20 * Math.log10(peak)) / 48)) : 0;
  return (
    <span className="level" aria-hidden="true">
      <span style={{ transform: `scaleX(${level})` }} />
    </span>
  );
}

function MixSettings() {
  const { mix, problem, change } = useMix();
  if (mix === null) {
    return problem === null ? null : <p className="notice">{problem}</p>;
  }
  return (
    <div className="mix">
      <div className="choice" role="group" aria-label="Mode">
        {(["ambient", "cues"] as const).map((mode) => (
          <button
            key={mode}
            type="button"
            aria-pressed={mix.mode === mode}
            title={mode === "ambient" ? "A quiet bed of all KPIs, and cues" : "Silence but for cues and a sparse heartbeat"}
            onClick={() => change({ mode })}
          >
            {mode === "ambient" ? "Ambient" : "Cues only"}
          </button>
        ))}
      </div>
      <label>
        Voices{" "}
        <select value={mix.voices} onChange={(event) => change({ voices: Number(event.target.value) })}>
          {[0, 1, 2, 3, 4, 5, 6, 7, 8].map((count) => (
            <option key={count}>{count}</option>
          ))}
        </select>
      </label>
      {problem !== null && <p className="notice">{problem}</p>}
    </div>
  );
}

function Voices({ voices, state }: { voices: Voice[]; state: ListenState }) {
  if (voices.length === 0) {
    const words = state === "fallback" ? "" : "No KPI sounds right now.";
    return words === "" ? null : <p className="muted small">{words}</p>;
  }
  const ordered = [...voices].sort((a, b) => (a.role === b.role ? b.prominence - a.prominence : a.role === "voice" ? -1 : 1));
  return (
    <ul className="voices" aria-label="Sounding now">
      {ordered.slice(0, 12).map((voice) => (
        <li key={seriesKey(voice.kpi, voice.labels)} className={`is-${voice.role}`}>
          <span className="name" title={voice.kpi}>
            <span className="family">{familyOf(voice.kpi).replaceAll(".", " · ")}</span> {titleOf(voice.kpi)}{" "}
            <span className="labels">{labelsShown(voice.labels)}</span>
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

function LastCue({ at, severity, kpi, labels }: { at: number; severity: string; kpi: string; labels: Voice["labels"] }) {
  const now = useNow();
  return (
    <p key={at} className={`cue is-${severity}`} role="status" data-testid="cue">
      <strong>{severity}</strong> {titleOf(kpi)} {labelsShown(labels)} <span className="muted">{ago(at, now)}</span>
    </p>
  );
}
