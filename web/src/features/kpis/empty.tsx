/** Empty states, each with a hint for the next step. */

import { useAppContext } from "../../hooks/app-context.ts";
import { useAccounts, usePermissions } from "../../hooks/session-context.ts";
import { useLink } from "../../hooks/use-link.ts";
import { useSignal } from "../../hooks/use-signal.ts";
import { organisationOf } from "../../live/session.ts";

export function EmptyWorkspace() {
  const { store } = useAppContext();
  const link = useLink();
  const may = usePermissions();
  const accounts = useAccounts();
  if (!may.has("ingest")) {
    return (
      <section className="empty" aria-label="No KPIs yet">
        <h1>No KPIs yet</h1>
        <p>A KPI is created by its first sample. Once a program or an editor of this workspace sends one, it appears here.</p>
      </section>
    );
  }
  const address = `${location.origin}/api/v1/workspaces/${encodeURIComponent(store.api.workspace)}/kpis/ingest`;
  const key = accounts ? "-H 'authorization: Bearer ek_…' " : "";
  const command = `curl ${address} ${key}-H 'content-type: application/json' -d '{"samples":[{"kpi":"checkout.revenue","value":12.5}]}'`;
  return (
    <section className="empty" aria-label="No KPIs yet">
      <h1>No KPIs yet</h1>
      <p>A KPI is created by its first sample. Send one, and it appears here without a reload:</p>
      <pre tabIndex={0}>{command}</pre>
      {accounts && (
        <p>
          <code>ek_…</code> stands for a key:{" "}
          <a href={link({ page: "organisation", organisation: organisationOf(store.api.workspace), section: "keys" })}>
            make one
          </a>
          .
        </p>
      )}
      <p>
        Or <a href={link({ page: "import" })}>import a file</a>, or start the server with <code>earcon demo</code> to monitor this machine.
      </p>
    </section>
  );
}

export function Unreachable() {
  const { store } = useAppContext();
  useSignal(store.connectionChanged);
  if (store.connection.failures < 2) {
    return (
      <section className="empty" aria-busy="true">
        <p>Connecting…</p>
      </section>
    );
  }
  return (
    <section className="empty" role="alert">
      <h1>The server does not answer</h1>
      <p>
        There is no connection to {location.host}. The server may be down, or a proxy or firewall may block the
        connection. This page retries automatically.
      </p>
      <button type="button" onClick={() => store.reconnectNow()}>
        Retry now
      </button>
    </section>
  );
}

export function NothingMatches({ filter, clear }: { filter: string; clear: () => void }) {
  return (
    <div className="empty small">
      <p>
        No KPI matches “{filter}”.{" "}
        <button type="button" className="quiet" onClick={clear}>
          Show all
        </button>
      </p>
    </div>
  );
}

export function NoSuchKpi({ kpi }: { kpi: string }) {
  const link = useLink();
  return (
    <section className="empty" role="alert">
      <h1>No such KPI</h1>
      <p>
        There is no KPI named <code>{kpi}</code> in this workspace. It appears once its first sample arrives.
      </p>
      <p>
        <a href={link({ page: "grid" })}>All KPIs</a>
      </p>
    </section>
  );
}
