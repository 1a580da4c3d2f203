/** The button in the header that starts and stops the sound, with the sound panel below it. */

import type { ListenState } from "@earcon/client";
import { useAppContext } from "../../hooks/app-context.ts";
import { useSignal } from "../../hooks/use-signal.ts";
import { ListenPanel } from "./listen-panel.tsx";

const WORDS: Record<ListenState, string> = {
  off: "Listen",
  starting: "Starting…",
  playing: "Listening",
  mute: "No sound device",
  reconnecting: "Reconnecting…",
  fallback: "Listening",
  failed: "Listen",
};

export function ListenButton() {
  const { player, playerChanged, store } = useAppContext();
  useSignal(playerChanged);
  const { state } = player.now;
  const on = state !== "off" && state !== "failed";
  const toggle = () => (on ? player.stop() : player.start(store.api));
  return (
    <div className="listen">
      <button
        type="button"
        id="listen"
        className={`listen-button is-${state}`}
        aria-pressed={on}
        aria-keyshortcuts="l"
        title={on ? "Stop listening (l)" : "Listen to these KPIs (l)"}
        onClick={toggle}
      >
        <Waves on={state === "playing" || state === "fallback"} />
        {WORDS[state]}
      </button>
      {state !== "off" && <ListenPanel />}
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
