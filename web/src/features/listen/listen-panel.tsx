/** The sound panel: volume, level, settings of the mix, audible KPIs. */

import { useEffect, useState } from "react";
import { deadFeeds } from "../../format/calm.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { usePermissions } from "../../hooks/session-context.ts";
import { useSignal } from "../../hooks/use-signal.ts";
import { useStored } from "../../hooks/use-stored.ts";
import { MixSettings } from "./mix-settings.tsx";
import { LastCue, Voices } from "./voices.tsx";

/** The player's counters change without a signal, so they are read at this interval. */
const COUNTERS_MS = 200;

export function ListenPanel() {
  const { store, player, playerChanged } = useAppContext();
  const edits = usePermissions().has("edit-mixes");
  useSignal(playerChanged);
  useSignal(store.seriesChanged);
  const dead = deadFeeds(store.state.series.values());
  const [folded, setFolded] = useStored("listen-folded", "");
  const { state, advice, voices, cue } = player.now;
  const counters = useCounters(state !== "failed");
  return (
    <section
      className="listen-panel"
      aria-label="Sound"
      data-testid="sound"
      data-state={state}
      data-received={counters.received}
      data-decoded={counters.decoded}
      data-played={counters.played}
      data-dropped={counters.dropped}
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
            <Level peak={counters.peak} />
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
              {edits && <MixSettings />}
              <Voices voices={voices} state={state} dead={dead} />
              {cue !== null && <LastCue cue={cue} />}
              <p className="muted small">
                {state === "fallback"
                  ? "Played as a plain stream, a few seconds late."
                  : `${Math.round(counters.waiting)} ms buffered · ${counters.dropped} packets dropped`}
              </p>
            </>
          )}
        </>
      )}
    </section>
  );
}

function useCounters(on: boolean) {
  const { player } = useAppContext();
  const [counters, setCounters] = useState(player.counters);
  useEffect(() => {
    if (!on) {
      return;
    }
    const timer = setInterval(() => setCounters(player.counters), COUNTERS_MS);
    return () => clearInterval(timer);
  }, [player, on]);
  return counters;
}

function Volume() {
  const { player } = useAppContext();
  const [volume, setVolume] = useStored("volume", "0.8");
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
          player.volume = Number(event.target.value);
        }}
      />
    </label>
  );
}

/** Peak level on a scale of -48 to 0 decibels. */
function Level({ peak }: { peak: number }) {
  const level = peak > 0 ? Math.min(1, Math.max(0, 1 + (20 * Math.log10(peak)) / 48)) : 0;
  return (
    <span className="level" aria-hidden="true">
      <span style={{ transform: `scaleX(${level})` }} />
    </span>
  );
}
