/** One node of the cluster. */

import type { ClusterNode } from "@earcon/client";
import { clockWords, heard, number, stateWords, uptime } from "../../format/cluster.ts";

/** Shapes, so that states differ by more than colour. */
const MARKS: Record<string, string> = { alive: "●", leaving: "◐", silent: "○" };

interface Props {
  node: ClusterNode;
  /** It is the one that answers this page. */
  asked: boolean;
  /** When it was so: milliseconds since the Unix epoch. */
  now: number;
}

export function NodeCard({ node, asked, now }: Props) {
  const clock = clockWords(node);
  return (
    <li className={`node is-${node.state}`} data-testid="node" data-node={node.node} data-state={node.state}>
      <h2>
        <span className="name">{node.node}</span>
        {asked && <span className="muted small">answers here</span>}
      </h2>
      <p className="state">
        <span aria-hidden="true">{MARKS[node.state] ?? "○"}</span> {stateWords(node)}
      </p>
      {clock !== null && (
        <p className="clock">
          <span aria-hidden="true">!</span> its clock is {clock}
        </p>
      )}
      <dl className="facts">
        <Fact name="Workspaces" value={number(node.workspaces)} />
        <Fact name="Up" value={uptime(node, now)} title={`since ${node.started}`} />
        <Fact name="Last heard" value={heard(node)} />
        <Fact name="Version" value={node.version} />
      </dl>
    </li>
  );
}

function Fact({ name, value, title }: { name: string; value: string; title?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd title={title}>{value}</dd>
    </div>
  );
}
