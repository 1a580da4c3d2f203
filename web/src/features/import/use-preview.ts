/** Asks the server how it understands a file, again after each change of an option. */

import { useEffect, useState } from "react";
import type { Preview } from "../../format/import.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useSessionStore } from "../../hooks/session-context.ts";
import { fetchPreview, type ImportOptions, uploadAddress } from "./upload.ts";

/** The request waits for the end of typing. */
const TYPING_MS = 250;

export interface Asked {
  /** The last answer. null before the first, and after a refusal. */
  preview: Preview | null;
  /** Why the server refuses the file. */
  refusal: string | null;
  busy: boolean;
}

export function usePreview(file: File, options: ImportOptions): Asked {
  const { workspace } = useAppContext().store.api;
  const { fetch } = useSessionStore();
  const [asked, setAsked] = useState<Asked>({ preview: null, refusal: null, busy: true });
  const address = uploadAddress(workspace, file.name, options, true);
  useEffect(() => {
    const abort = new AbortController();
    setAsked((last) => ({ ...last, busy: true }));
    const timer = setTimeout(() => {
      fetchPreview(fetch, file, address, abort.signal).then(
        (preview) => setAsked({ preview, refusal: null, busy: false }),
        (error: Error) => !abort.signal.aborted && setAsked({ preview: null, refusal: error.message, busy: false }),
      );
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [fetch, file, address]);
  return asked;
}
