/** What the values of a series seem to be, and the rule that reads them as a counter. */

import { useEffect, useState } from "react";
import { labelText as textOf } from "@earcon/client";
import { useAppContext } from "../../hooks/app-context.ts";
import { usePermissions } from "../../hooks/session-context.ts";
import type { LiveSeries } from "../../live/live-series.ts";

/** The server is asked again after this, milliseconds: a finding needs hours of samples. */
const ASK_EVERY_MS = 60_000;

type Finding = "counter" | "clock" | null;

export function CounterHint({ series }: { series: LiveSeries }) {
  const looksLike = useLooksLike(series);
  if (looksLike === "clock") {
    return (
      <p className="muted" data-testid="clock-hint">
        This looks like a clock: its values grow as time passes. Each one is expected until it begins again.
      </p>
    );
  }
  return looksLike === "counter" ? <CounterOffer kpi={series.kpi} /> : null;
}

function useLooksLike({ key, kpi, labelText }: LiveSeries): Finding {
  const { store } = useAppContext();
  const [found, setFound] = useState<{ key: string; looksLike: Finding }>({ key, looksLike: null });
  useEffect(() => {
    const aborter = new AbortController();
    const ask = async () => {
      const { series } = await store.api.kpi(kpi, aborter.signal);
      const own = series.find((one) => textOf(one.labels) === labelText);
      setFound({ key, looksLike: own?.looks_like ?? null });
    };
    // A hint that is missing is asked for again.
    const askSafely = () => void ask().catch(() => undefined);
    askSafely();
    const timer = setInterval(askSafely, ASK_EVERY_MS);
    return () => {
      aborter.abort();
      clearInterval(timer);
    };
  }, [store, key, kpi, labelText]);
  return found.key === key ? found.looksLike : null;
}

function CounterOffer({ kpi }: { kpi: string }) {
  const { store } = useAppContext();
  const [outcome, setOutcome] = useState<string | null>(null);
  const edits = usePermissions().has("edit-rules");
  const rule = { name: kpi, reading: "counter" };
  const add = async () => {
    const { revision, document } = await store.api.rules();
    await store.api.changeRules({ ...document, rules: [...(document.rules ?? []), rule] }, revision);
    setOutcome("The rule is set. From the next sample on, its increase per second is scored; it warms up again.");
  };
  return (
    <p className="notice" data-testid="counter-hint">
      This looks like a counter: its values only grow, so they are scored badly. Send it as one (
      <code>"counter": true</code> in JSON), or have the workspace read it as one by the rule{" "}
      <code>{JSON.stringify(rule)}</code>. The name is the one that its sender uses.{" "}
      {edits && outcome === null && (
        <button type="button" onClick={() => add().catch((error: Error) => setOutcome(error.message))}>
          Add the rule
        </button>
      )}{" "}
      {outcome}
    </p>
  );
}
