/** Settings of the mix: its mode and the number of voices. */

import { useMix } from "../../hooks/use-mix.ts";

export function MixSettings() {
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
            title={mode === "ambient" ? "A quiet bed of all KPIs, and cues" : "Silence except for cues and an occasional heartbeat"}
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
