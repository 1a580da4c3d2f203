/** Sessions of an organisation: of all members for owners of the server, otherwise own ones. */

import { useCallback } from "react";
import { Loaded } from "../../components/loaded.tsx";
import { SignIns } from "../../components/sign-ins.tsx";
import { useOrganisationPermissions } from "../../hooks/session-context.ts";
import { useListing } from "../../hooks/use-listing.ts";
import type { AccountsApi } from "../../live/accounts-api.ts";

export function Sessions({ api, organisation }: { api: AccountsApi; organisation: string }) {
  const all = useOrganisationPermissions(organisation).has("manage-server");
  const listing = useListing(useCallback((signal: AbortSignal) => api.sessions(signal), [api]));
  return (
    <>
      <p>{all ? "Each browser in which a member is signed in." : "Each browser in which you are signed in."}</p>
      <Loaded title="Sessions" listing={listing}>
        {(signIns) =>
          signIns.length === 0 ? (
            <p className="empty-note">Nobody is signed in.</p>
          ) : (
            <SignIns api={api} signIns={signIns} named={all} changed={listing.reload} />
          )
        }
      </Loaded>
    </>
  );
}
