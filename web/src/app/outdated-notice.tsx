/** Says that the shown state is outdated, since when, and when the page tries again. */

import { useEffect } from "react";
import { clock, span } from "../format/time.ts";
import { useAppContext } from "../hooks/app-context.ts";
import { useNow } from "../hooks/use-now.ts";
import { useOutdated } from "../hooks/use-outdated.ts";

export function OutdatedNotice() {
  const { store } = useAppContext();
  const since = useOutdated();
  useEffect(() => {
    // The style sheets fade what was received from the server.
    document.documentElement.toggleAttribute("data-outdated", since !== null);
  }, [since]);
  if (since === null) {
    return null;
  }
  return (
    <div className="outdated" data-testid="outdated">
      <p role="alert">
        No connection since {clock(since)}
        <Age since={since} />. Everything shown is from then.
      </p>
      <button type="button" className="quiet" onClick={() => store.reconnectNow()}>
        Retry now
      </button>
    </div>
  );
}

/** Hidden from screen readers, which would read each change. */
function Age({ since }: { since: number }) {
  const now = useNow();
  return <span aria-hidden="true"> ({span(now - since)})</span>;
}
