/** The page of those who only hear a workspace: the sound panel alone. */

import { useEffect } from "react";
import { useAppContext } from "../../hooks/app-context.ts";
import { useSessionStore } from "../../hooks/session-context.ts";
import { useSignal } from "../../hooks/use-signal.ts";
import { ListenButton } from "./listen-button.tsx";

/** While the sound is away, the page looks this often whether its session lasts, milliseconds. */
const LOOK_EVERY_MS = 5_000;

export function ListenPage() {
  const { player, playerChanged, store } = useAppContext();
  useSignal(playerChanged);
  const { state } = player.now;
  useLookWhileAway(state === "reconnecting");
  return (
    <section className="listen-page" aria-labelledby="listen-title">
      <h1 id="listen-title">The sound of {store.api.workspace}</h1>
      <p className="muted">Each KPI has its voice in a quiet mix. What deviates comes forward, and a short sound says how severe it is.</p>
      <ListenButton />
    </section>
  );
}

/** A connection that is refused looks like one that is lost: browsers do not say the difference. */
function useLookWhileAway(away: boolean): void {
  const session = useSessionStore();
  useEffect(() => {
    if (away) {
      const timer = setInterval(() => void session.look(), LOOK_EVERY_MS);
      return () => clearInterval(timer);
    }
    return undefined;
  }, [away, session]);
}
