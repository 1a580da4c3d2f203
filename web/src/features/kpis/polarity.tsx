/** Which way up sounds: people hear "more" differently, and of some KPIs less is better. */

import { useMix } from "../../hooks/use-mix.ts";

const WAYS = [
  ["up", "Higher", "Larger values sound higher"],
  ["down", "Lower", "Larger values sound lower"],
] as const;

export function Polarity({ kpi }: { kpi: string }) {
  const { mix, problem, change } = useMix();
  if (mix === null) {
    return problem === null ? null : <p className="notice">{problem}</p>;
  }
  const chosen = mix.polarity[kpi] ?? "up";
  return (
    <div className="polarity">
      <span className="muted">More sounds</span>
      <div className="choice" role="group" aria-label="More sounds">
        {WAYS.map(([way, name, title]) => (
          <button
            key={way}
            type="button"
            aria-pressed={chosen === way}
            title={title}
            onClick={() => change({ polarity: { ...mix.polarity, [kpi]: way } })}
          >
            {name}
          </button>
        ))}
      </div>
      {problem !== null && <p className="notice">{problem}</p>}
    </div>
  );
}
