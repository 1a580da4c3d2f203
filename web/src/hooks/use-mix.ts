/** How the workspace's mix sounds: read once, changed for everybody. */

import { useEffect, useState } from "react";
import type { Mix } from "@earcon/client";
import { useSurroundings } from "./app-context.ts";

export type MixChange = Partial<Pick<Mix, "mode" | "voices" | "polarity">>;

/** The settings, `null` until they are there; a change is shown at once and put right when the server says otherwise. */
export function useMix() {
  const { station } = useSurroundings();
  const [mix, setMix] = useState<Mix | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const told = (answer: Promise<Mix>) =>
    answer.then(
      (mix) => {
        setMix(mix);
        setProblem(null);
      },
      (error: Error) => setProblem(error.message),
    );
  useEffect(() => void told(station.api.mix("default")), [station]);
  const change = (change: MixChange) => {
    setMix((mix) => mix && { ...mix, ...change });
    void told(station.api.changeMix("default", change));
  };
  return { mix, problem, change };
}
