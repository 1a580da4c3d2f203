/** The workspaces of an organisation that the session may use, for a choice among them. */

import { useCallback } from "react";
import { Client } from "@earcon/client";
import { useSessionStore } from "../../hooks/session-context.ts";
import { type Listing, useListing } from "../../hooks/use-listing.ts";
import { organisationOf } from "../../live/session.ts";

export function useWorkspaceNames(organisation: string): Listing<string[]> {
  const { fetch } = useSessionStore();
  return useListing(
    useCallback(async () => {
      const all = await new Client({ fetch }).workspaces();
      return all.map(({ id }) => id).filter((id) => organisationOf(id) === organisation).sort();
    }, [fetch, organisation]),
  );
}
