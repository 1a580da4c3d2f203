/** Owner, size and history lag of each workspace. */

import { useRef } from "react";
import type { Cluster, ClusterNode, ClusterWorkspace } from "@earcon/client";
import { isUnanswered, keepOrder, lagWords, number, ORDERS, parkedWords, sortWorkspaces, type Order } from "../../format/cluster.ts";
import { useLink } from "../../hooks/use-link.ts";
import { useStored } from "../../hooks/use-stored.ts";

const COLUMNS = ["Workspace", "Owner", "Events", "KPIs", "Parked", "History lag"];

interface Props {
  cluster: Cluster;
  selected: string;
}

export function WorkspaceTable({ cluster, selected }: Props) {
  const [stored, setOrder] = useStored("cluster-order", ORDERS[0]);
  const order = ORDERS.find((each) => each === stored) ?? ORDERS[0];
  const body = useRef<HTMLTableSectionElement>(null);
  const rows = useSteadyOrder(cluster.workspaces, order, body);
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
        <p className="empty-note">No workspaces yet. The menu at the top creates one.</p>
      ) : (
        // On narrow screens the rows are blocks. The roles keep the table semantics.
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
                selected={row.workspace === selected}
                owner={cluster.nodes.find(({ node }) => node === row.owner)}
              />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Row({ row, selected, owner }: { row: ClusterWorkspace; selected: boolean; owner: ClusterNode | undefined }) {
  const link = useLink();
  return (
    <tr role="row" data-testid="workspace" data-workspace={row.workspace}>
      <th role="rowheader" scope="row">
        <a href={link({ page: "grid", workspace: row.workspace })}>{row.workspace}</a>
        {selected && <span className="muted small"> selected</span>}
      </th>
      <td role="cell" className="owner">
        {row.owner === null ? (
          <em>
            <span aria-hidden="true">○</span> no owner
          </em>
        ) : (
          <>
            {row.owner}
            {owner !== undefined && owner.state !== "alive" && <span className="muted"> ({owner.state})</span>}
          </>
        )}
      </td>
      {row.owner === null ? (
        <td role="cell" className="none unknown" colSpan={4} aria-label="unknown">
          –
        </td>
      ) : isUnanswered(row) ? (
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

/** Sorts the rows. Keeps their order while the pointer or the keyboard focus is on the table. */
function useSteadyOrder(
  workspaces: readonly ClusterWorkspace[],
  order: Order,
  body: React.RefObject<HTMLElement | null>,
): ClusterWorkspace[] {
  const last = useRef<{ order: Order; names: string[] }>({ order, names: [] });
  const element = body.current;
  const busy = element !== null && (element.matches(":hover") || element.contains(document.activeElement));
  const sorted = sortWorkspaces(workspaces, order);
  const rows = busy && last.current.order === order ? keepOrder(last.current.names, sorted) : sorted;
  last.current = { order, names: rows.map(({ workspace }) => workspace) };
  return rows;
}
