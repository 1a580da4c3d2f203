/** The page that the address names, or why it cannot be shown. */

import type { ReactNode } from "react";
import { NotPermitted } from "../components/not-permitted.tsx";
import { AccountPage } from "../features/account/account-page.tsx";
import { ClusterPage } from "../features/cluster/cluster-page.tsx";
import { DetectorsPage } from "../features/detectors/detectors-page.tsx";
import { ImportPage } from "../features/import/import-page.tsx";
import { GridPage } from "../features/kpis/grid-page.tsx";
import { KpiPage } from "../features/kpis/kpi-page.tsx";
import { NoSuchWorkspace } from "../features/kpis/no-such-workspace.tsx";
import { ListenPage } from "../features/listen/listen-page.tsx";
import { OrganisationPage } from "../features/organisation/organisation-page.tsx";
import type { Route } from "../format/route.ts";
import { useAppContext } from "../hooks/app-context.ts";
import { useAccounts, useSession } from "../hooks/session-context.ts";
import { useSignal } from "../hooks/use-signal.ts";
import { type Permission, serverPermissions } from "../live/session.ts";

interface Props {
  route: Route;
  workspace: string;
  /** What may be done in the workspace. */
  may: ReadonlySet<Permission>;
}

export function Page({ route, workspace, may }: Props) {
  const session = useSession();
  const accounts = useAccounts();
  switch (route.page) {
    case "account":
      return accounts ? <AccountPage section={route.section} /> : <NoAccounts />;
    case "organisation":
      return accounts ? (
        <OrganisationPage key={route.organisation} organisation={route.organisation} section={route.section} />
      ) : (
        <NoAccounts />
      );
    case "claim":
      return <NoAccounts />;
    case "cluster":
      return serverPermissions(session).has("read-server") ? (
        <ClusterPage workspace={workspace} />
      ) : (
        <NotPermitted title="The cluster is not for your role">
          Nodes and their state are shown to administrators of the installation.
        </NotPermitted>
      );
    default:
      return <WorkspacePage route={route} may={may} />;
  }
}

function WorkspacePage({ route, may }: Omit<Props, "workspace">): ReactNode {
  const { store } = useAppContext();
  useSignal(store.connectionChanged);
  if (!may.has("read")) {
    return may.has("listen") ? <ListenPage /> : <NoSuchWorkspace />;
  }
  if (store.missing) {
    return <NoSuchWorkspace />;
  }
  switch (route.page) {
    case "kpi":
      return <KpiPage key={route.kpi} route={route} />;
    case "detectors":
      return <DetectorsPage />;
    case "import":
      return may.has("upload") ? (
        <ImportPage />
      ) : (
        <NotPermitted title="Imports are not for your role">
          An editor of this workspace can import files. Ask an administrator for that role.
        </NotPermitted>
      );
    case "grid":
    case "anomalies":
      return <GridPage route={route} />;
    default:
      return null;
  }
}

function NoAccounts() {
  return (
    <NotPermitted title="This server has no accounts">
      Everybody on this machine may do everything. The setting <code>accounts.required</code> changes that.
    </NotPermitted>
  );
}
