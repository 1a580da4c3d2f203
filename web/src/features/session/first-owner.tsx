/** The first steps on a new server: its owner, the name of the organisation, a workspace. */

import { useState } from "react";
import { Client } from "@earcon/client";
import { TextField } from "../../components/fields.tsx";
import { words } from "../../components/dialog-form.tsx";
import { useSessionStore } from "../../hooks/session-context.ts";
import { AccountsApi } from "../../live/accounts-api.ts";
import { DEFAULT_ORGANISATION, organisationsOf, roleIn, type Session, workspaceOf } from "../../live/session.ts";
import type { NewUser } from "../../live/session-gate.ts";
import { SessionFrame } from "./frame.tsx";
import { NewAccount } from "./new-account.tsx";

interface Props {
  secret: string;
  /** @param workspace the one that was made */
  done(workspace?: string): void;
}

export function FirstOwner({ secret, done }: Props) {
  const store = useSessionStore();
  const [organisation, setOrganisation] = useState("");
  const [workspace, setWorkspace] = useState("");
  /** What of the first steps failed after the account was made. */
  const [failed, setFailed] = useState<string[] | null>(null);

  const claim = async (user: NewUser) => {
    const session = await store.claim(secret, user);
    // The link is used up. What fails from here on does not undo the account.
    const problems: string[] = [];
    const attempt = (what: string, step: Promise<unknown>) =>
      step.catch((error: unknown) => problems.push(`${what}: ${words(error)}`));
    const owned = ownedOrganisation(session);
    if (organisation.trim() !== "") {
      await attempt("The organisation was not named", new AccountsApi(store.fetch, owned).rename(organisation.trim()));
    }
    const named = workspace.trim() === "" ? undefined : workspaceOf(owned, workspace.trim());
    if (named !== undefined) {
      await attempt(`The workspace ${named} was not made`, new Client({ fetch: store.fetch }).createWorkspace(named));
    }
    await store.look();
    if (problems.length > 0) {
      setFailed(problems);
    } else {
      done(named);
    }
  };

  if (failed !== null) {
    return (
      <SessionFrame title="You own this server now">
        <p>The account was made, and you are signed in. Not everything else could be done:</p>
        <ul className="problems" role="alert">
          {failed.map((each) => (
            <li key={each}>{each}</li>
          ))}
        </ul>
        <p>Both can be done later: the name on the page of the organisation, workspaces in the menu at the top.</p>
        <div className="actions">
          <button type="button" className="primary" onClick={() => done()}>
            Go to the dashboard
          </button>
        </div>
      </SessionFrame>
    );
  }
  return (
    <SessionFrame title="Welcome to Earcon">
      <p>Make the account of the first owner. An owner invites others and decides what they may do.</p>
      <NewAccount action="Own this server" running="Making the account …" claim={claim}>
        {(busy) => (
          <>
            <TextField
              label="Name of the organisation"
              name="organization"
              autoComplete="organization"
              maxLength={100}
              hint="A company or a team, for example Acme. It can be changed later."
              value={organisation}
              disabled={busy}
              onChange={setOrganisation}
            />
            <TextField
              label="First workspace (optional)"
              name="workspace"
              plain
              maxLength={63}
              hint="Its KPIs are seen, heard and alert together. Small letters, digits, - and _, for example shop."
              value={workspace}
              disabled={busy}
              onChange={setWorkspace}
            />
          </>
        )}
      </NewAccount>
    </SessionFrame>
  );
}

function ownedOrganisation(session: Session): string {
  return organisationsOf(session).find(({ id }) => roleIn(session, id) === "owner")?.id ?? DEFAULT_ORGANISATION;
}
