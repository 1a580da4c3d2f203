/** Says why the last request failed, and how old the shown answer is if it is outdated. */

import { span } from "../format/time.ts";
import { useNow } from "../hooks/use-now.ts";
import type { Poller } from "../live/poller.ts";

/** A response that takes longer than this is reported as slow. */
const SLOW_MS = 4_000;

export function OutdatedAnswer<T>({ poller }: { poller: Poller<T> }) {
  const now = useNow();
  const { answer, problem } = poller;
  const outdated = poller.failed || poller.waitingMs(now) >= SLOW_MS;
  if (answer === null || (problem === null && !outdated)) {
    return null;
  }
  return (
    <p className="notice" data-testid="age">
      <span role="alert">{problem === null ? "The server is slow to answer" : problem.replace(/\.$/, "")}.</span>
      {outdated && (
        <>
          {" "}
          Showing the last answer
          <span aria-hidden="true">, {span(now - answer.at)} old</span>.
        </>
      )}
    </p>
  );
}
