/** An organisation: its members, invitations, keys, sessions and audit log. */

import { useMemo, useState } from "react";
import { CodeField, DialogForm } from "../../components/dialog-form.tsx";
import { NotPermitted } from "../../components/not-permitted.tsx";
import { Tabs } from "../../components/tabs.tsx";
import { ORGANISATION_SECTIONS, type OrganisationSection } from "../../format/route.ts";
import { useOrganisationPermissions, useSession, useSessionStore } from "../../hooks/session-context.ts";
import { useLink } from "../../hooks/use-link.ts";
import { AccountsApi } from "../../live/accounts-api.ts";
import { organisationsOf, type Permission, roleIn } from "../../live/session.ts";
import { Audit } from "./audit.tsx";
import { Invitations } from "./invitations.tsx";
import { Keys } from "./keys.tsx";
import { Members } from "./members.tsx";
import { Sessions } from "./sessions.tsx";

/** The name of each part, and the right that it needs. null: everybody has keys and sessions. */
const SECTIONS: Record<OrganisationSection, readonly [string, Permission | null]> = {
  members: ["Members", "manage-members"],
  invitations: ["Invitations", "manage-members"],
  keys: ["Keys", null],
  sessions: ["Sessions", null],
  audit: ["Audit log", "read-audit"],
};

interface Props {
  organisation: string;
  section: OrganisationSection;
}

export function OrganisationPage({ organisation, section }: Props) {
  const session = useSession();
  const store = useSessionStore();
  const link = useLink();
  const may = useOrganisationPermissions(organisation);
  const api = useMemo(() => new AccountsApi(store.fetch, organisation), [store.fetch, organisation]);
  const [renaming, setRenaming] = useState(false);
  const own = organisationsOf(session).find(({ id }) => id === organisation);
  if (own === undefined) {
    return (
      <NotPermitted title="No such organisation">
        You belong to no organisation <code>{organisation}</code>.
      </NotPermitted>
    );
  }
  const permitted = (id: OrganisationSection) => SECTIONS[id][1] === null || may.has(SECTIONS[id][1]);
  const shown = ORGANISATION_SECTIONS.filter(permitted);
  // A link to a part that the role does not permit leads to the keys.
  const current = permitted(section) ? section : "keys";
  const role = roleIn(session, organisation);
  return (
    <article className="organisation" aria-labelledby="organisation-name">
      <div className="heading">
        <h1 id="organisation-name">{own.name}</h1>
        {may.has("manage-organisation") && (
          <button type="button" className="quiet" onClick={() => setRenaming(true)}>
            Rename …
          </button>
        )}
      </div>
      <p className="muted">
        Organisation <code>{organisation}</code>
        {role !== null && `, your role: ${role}`}
      </p>
      <Tabs
        label="Organisation"
        current={current}
        tabs={shown.map((id) => ({ id, name: SECTIONS[id][0], href: link({ page: "organisation", organisation, section: id }) }))}
      />
      <section aria-label={SECTIONS[current][0]}>
        {current === "members" && <Members api={api} organisation={organisation} />}
        {current === "invitations" && <Invitations api={api} organisation={organisation} />}
        {current === "keys" && <Keys api={api} organisation={organisation} />}
        {current === "sessions" && <Sessions api={api} organisation={organisation} />}
        {current === "audit" && <Audit api={api} />}
      </section>
      {renaming && <Rename api={api} name={own.name} close={() => setRenaming(false)} renamed={() => void store.look()} />}
    </article>
  );
}

interface RenameProps {
  api: AccountsApi;
  name: string;
  close(): void;
  renamed(): void;
}

function Rename({ api, name, close, renamed }: RenameProps) {
  const [typed, setTyped] = useState(name);
  return (
    <DialogForm
      title="Name of the organisation"
      close={close}
      action="Rename"
      running="Renaming …"
      ready={typed.trim() !== "" && typed.trim() !== name}
      run={async () => {
        await api.rename(typed.trim());
        renamed();
      }}
    >
      {(busy) => <CodeField label="Name" name="name" maxLength={100} value={typed} disabled={busy} onChange={setTyped} />}
    </DialogForm>
  );
}
