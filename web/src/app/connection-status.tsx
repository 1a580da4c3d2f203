/** Whether the page shows live data, and when it reconnects. */

import { useAppContext } from "../hooks/app-context.ts";
import { useNow } from "../hooks/use-now.ts";
import { useSignal } from "../hooks/use-signal.ts";

/** After this many failures in a row, the status is "Offline" instead of "Reconnecting". */
const OFFLINE_AFTER = 5;

export function ConnectionStatus() {
  const { store } = useAppContext();
  useSignal(store.connectionChanged);
  const { phase, retryAt, failures, cursor } = store.connection;
  const state = store.missing ? "empty" : phase === "waiting" && failures >= OFFLINE_AFTER ? "offline" : phase;
  const words = {
    idle: "Stopped",
    connecting: cursor === null ? "Connecting" : "Reconnecting",
    subscribing: "Catching up",
    live: "Live",
    waiting: "Reconnecting",
    refused: "Not permitted",
    offline: "Offline",
    empty: "Unknown",
  }[state];
  const waiting = state === "waiting" || state === "offline";
  return (
    <span className={`connection is-${state}`} data-testid="connection" data-phase={state}>
      <i aria-hidden="true" />
      <span role="status">{words}</span>
      {waiting && retryAt !== null && <Countdown until={retryAt} />}
    </span>
  );
}

/** Not part of the status: screen readers would read each change. */
function Countdown({ until }: { until: number }) {
  const now = useNow();
  return <span aria-hidden="true"> in {Math.max(0, Math.ceil((until - now) / 1_000))} s</span>;
}
