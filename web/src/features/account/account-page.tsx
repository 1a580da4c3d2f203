/** The own account: sessions, password, second factor. */

import { useCallback, useMemo } from "react";
import { Loaded } from "../../components/loaded.tsx";
import { SignIns } from "../../components/sign-ins.tsx";
import { Tabs } from "../../components/tabs.tsx";
import { ACCOUNT_SECTIONS, type AccountSection } from "../../format/route.ts";
import { useSession, useSessionStore } from "../../hooks/session-context.ts";
import { useLink } from "../../hooks/use-link.ts";
import { useListing } from "../../hooks/use-listing.ts";
import { AccountsApi } from "../../live/accounts-api.ts";
import { organisationsOf } from "../../live/session.ts";
import { ChangePassword } from "./change-password.tsx";
import { TwoFactor } from "./two-factor.tsx";

const NAMES: Record<AccountSection, string> = {
  sessions: "Sessions",
  password: "Password",
  "two-factor": "Two-factor sign-in",
};

export function AccountPage({ section }: { section: AccountSection }) {
  const { user } = useSession();
  const link = useLink();
  if (user == null) {
    return (
      <section className="empty">
        <h1>A key has no account</h1>
        <p>Passwords and sessions belong to people.</p>
      </section>
    );
  }
  return (
    <article className="account" aria-labelledby="account-name">
      <h1 id="account-name">{user.name}</h1>
      <p className="muted">
        Login {user.login}
        {user.email != null && `, ${user.email}`}
      </p>
      <Tabs
        label="Account"
        current={section}
        tabs={ACCOUNT_SECTIONS.map((id) => ({ id, name: NAMES[id], href: link({ page: "account", section: id }) }))}
      />
      <section aria-label={NAMES[section]}>
        {section === "sessions" && <OwnSessions user={user.id} />}
        {section === "password" && <ChangePassword login={user.login} />}
        {section === "two-factor" && <TwoFactor />}
      </section>
    </article>
  );
}

/** Every organisation of a user lists their sessions. The first one is asked. */
function OwnSessions({ user }: { user: string }) {
  const session = useSession();
  const { fetch } = useSessionStore();
  const organisation = organisationsOf(session)[0]?.id;
  const api = useMemo(
    () => (organisation === undefined ? null : new AccountsApi(fetch, organisation)),
    [fetch, organisation],
  );
  const listing = useListing(
    useCallback(
      async (signal: AbortSignal) => (await (api?.sessions(signal) ?? [])).filter((each) => each.user?.id === user),
      [api, user],
    ),
  );
  if (api === null) {
    return <p className="empty-note">You belong to no organisation, so there is nothing to list.</p>;
  }
  return (
    <>
      <p>Each browser in which you are signed in. End those that you do not know, and change your password then.</p>
      <Loaded title="Your sessions" listing={listing}>
        {(signIns) => <SignIns api={api} signIns={signIns} named={false} changed={listing.reload} />}
      </Loaded>
    </>
  );
}
