/** Settings of the workspace's mix. They are shared by all listeners. */

import { useEffect, useState } from "react";
import type { Mix } from "@earcon/client";
import { useAppContext } from "./app-context.ts";

export type MixChange = Partial<Pick<Mix, "mode" | "voices" | "polarity">>;

/**
 * `mix` is null until it is loaded. A change is shown at once, then replaced by the response of the
 * server.
 */
export function useMix() {
  const { store } = useAppContext();
  const [mix, setMix] = useState<Mix | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const showResponse = (response: Promise<Mix>) =>
    response.then(
      (mix) => {
        setMix(mix);
        setProblem(null);
      },
      (error: Error) => setProblem(error.message),
    );
  useEffect(() => void showResponse(store.api.mix("default")), [store]);
  const change = (change: MixChange) => {
    setMix((mix) => mix && { ...mix, ...change });
    void showResponse(store.api.changeMix("default", change));
  };
  return { mix, problem, change };
}
