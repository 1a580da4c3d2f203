/**
 * Whether the pitch of a KPI rises when its value rises or when it falls. For some KPIs, less is
 * better.
 */

import { useMix } from "../../hooks/use-mix.ts";

const POLARITIES = [
  ["up", "rises"],
  ["down", "falls"],
] as const;

const LABEL = "Pitch rises when the value";

export function Polarity({ kpi }: { kpi: string }) {
  const { mix, problem, change } = useMix();
  if (mix === null) {
    return problem === null ? null : <p className="notice">{problem}</p>;
  }
  const current = mix.polarity[kpi] ?? "up";
  return (
    <div className="polarity">
      <span className="muted">{LABEL}</span>
      <div className="choice" role="group" aria-label={LABEL}>
        {POLARITIES.map(([polarity, word]) => (
          <button
            key={polarity}
            type="button"
            aria-pressed={current === polarity}
            aria-label={`${LABEL} ${word}`}
            onClick={() => change({ polarity: { ...mix.polarity, [kpi]: polarity } })}
          >
            {word}
          </button>
        ))}
      </div>
      {problem !== null && <p className="notice">{problem}</p>}
    </div>
  );
}
