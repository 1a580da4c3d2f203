/** Which node owns which workspace, and how far its history is. */

import { useRef } from "react";
import type { Cluster, ClusterNode, ClusterWorkspace } from "@earcon/client";
import { isMute, keepPlaces, lagWords, number, ORDERS, parkedWords, sortWorkspaces, type Order } from "../../format/cluster.ts";
import { routeHash } from "../../format/route.ts";
import { useKept } from "../../hooks/app-context.ts";

const COLUMNS = ["Workspace", "Owner", "Events", "KPIs", "Parked", "History lag"];

interface Props {
  cluster: Cluster;
  chosen: string;
}

export function WorkspaceTable({ cluster, chosen }: Props) {
  const [kept, setOrder] = useKept("cluster-order", ORDERS[0]);
  const order = ORDERS.find((each) => each === kept) ?? ORDERS[0];
  const body = useRef<HTMLTableSectionElement>(null);
  const rows = useCalmOrder(cluster.workspaces, order, body);
  return (
    <section className="workspaces" aria-labelledby="workspaces-name">
      <div className="tools">
        <h2 id="workspaces-name">Workspaces</h2>
        <span className="count">{rows.length > 0 && number(rows.length)}</span>
        {rows.length > 1 && (
          <div className="choice" role="group" aria-label="Order">
            {ORDERS.map((each) => (
              <button key={each} type="button" aria-pressed={order === each} onClick={() => setOrder(each)}>
                By {each}
              </button>
            ))}
          </div>
        )}
      </div>
      {rows.length === 0 ? (
        <p className="quiet-note">None yet. A workspace comes into being with its first sample.</p>
      ) : (
        // On narrow screens rows are drawn as blocks; the roles keep it a table all the same.
        <table role="table" aria-labelledby="workspaces-name">
          <thead role="rowgroup">
            <tr role="row">
              {COLUMNS.map((column) => (
                <th key={column} role="columnheader" scope="col">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup" ref={body}>
            {rows.map((row) => (
              <Row
                key={row.workspace}
                row={row}
                chosen={row.workspace === chosen}
                owner={cluster.nodes.find(({ node }) => node === row.owner)}
              />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Row({ row, chosen, owner }: { row: ClusterWorkspace; chosen: boolean; owner: ClusterNode | undefined }) {
  return (
    <tr role="row" data-testid="workspace" data-workspace={row.workspace}>
      <th role="rowheader" scope="row">
        <a href={routeHash({ page: "grid", workspace: row.workspace })}>{row.workspace}</a>
        {chosen && <span className="muted small"> chosen</span>}
      </th>
      <td role="cell" className="owner">
        {row.owner === null ? (
          <em>
            <span aria-hidden="true">○</span> between owners
          </em>
        ) : (
          <>
            {row.owner}
            {owner !== undefined && owner.state !== "alive" && <span className="muted"> ({owner.state})</span>}
          </>
        )}
      </td>
      {row.owner === null ? (
        <td role="cell" className="none unknown" colSpan={4} aria-label="not known">
          –
        </td>
      ) : isMute(row) ? (
        <td role="cell" className="none" colSpan={4}>
          <em>
            <span aria-hidden="true">○</span> no answer
          </em>
        </td>
      ) : (
        <>
          <Value name="Events">{number(row.seq)}</Value>
          <Value name="KPIs">{number(row.kpis)}</Value>
          <Value name="Parked">{parkedWords(row.parked)}</Value>
          <Value name="History lag">{lagWords(row.history_lag)}</Value>
        </>
      )}
    </tr>
  );
}

function Value({ name, children }: { name: string; children: string }) {
  return (
    <td role="cell" className={`value${children === "none" ? " muted" : ""}`} data-name={name}>
      {children}
    </td>
  );
}

/** Rows change places when they have to, but never under a pointer or the keyboard. */
function useCalmOrder(
  workspaces: readonly ClusterWorkspace[],
  order: Order,
  body: React.RefObject<HTMLElement | null>,
): ClusterWorkspace[] {
  const last = useRef<{ order: Order; names: string[] }>({ order, names: [] });
  const element = body.current;
  const busy = element !== null && (element.matches(":hover") || element.contains(document.activeElement));
  const sorted = sortWorkspaces(workspaces, order);
  const rows = busy && last.current.order === order ? keepPlaces(last.current.names, sorted) : sorted;
  last.current = { order, names: rows.map(({ workspace }) => workspace) };
  return rows;
}
