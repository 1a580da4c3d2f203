/** A list that is asked for once, and again after each change of it. */

import { useCallback, useEffect, useState } from "react";

export interface Listing<T> {
  /** The last answer. null before the first. */
  items: T | null;
  /** Why the last request failed. null if it did not. */
  problem: string | null;
  reload(): void;
}

/** @param ask makes the request; the list is asked for again when it changes */
export function useListing<T>(ask: (signal: AbortSignal) => Promise<T>): Listing<T> {
  const [answer, setAnswer] = useState<{ of: typeof ask; items: T } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [times, setTimes] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    ask(abort.signal).then(
      (items) => {
        if (!abort.signal.aborted) {
          setAnswer({ of: ask, items });
          setProblem(null);
        }
      },
      (error: Error) => !abort.signal.aborted && setProblem(error.message),
    );
    return () => abort.abort();
  }, [ask, times]);
  const reload = useCallback(() => setTimes((times) => times + 1), []);
  return { items: answer?.of === ask ? answer.items : null, problem, reload };
}
