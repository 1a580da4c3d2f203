/** One node of the cluster. */

import type { ClusterNode } from "@earcon/client";
import { Fact } from "../../components/fact.tsx";
import { clockWords, lastHeartbeat, number, stateWords, uptime } from "../../format/cluster.ts";

/** States differ by shape, not only by colour. */
const MARKS: Record<string, string> = { alive: "●", leaving: "◐", silent: "○" };

interface Props {
  node: ClusterNode;
  /** Whether this page is connected to the node. */
  connected: boolean;
  /** Time of the status: milliseconds since the Unix epoch. */
  now: number;
}

export function NodeCard({ node, connected, now }: Props) {
  const clock = clockWords(node);
  return (
    <li className={`node is-${node.state}`} data-testid="node" data-node={node.node} data-state={node.state}>
      <h2>
        <span className="name">{node.node}</span>
        {connected && <span className="muted small">this page is connected to it</span>}
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
        <Fact name="Last heartbeat" value={lastHeartbeat(node)} />
        <Fact name="Version" value={node.version} />
      </dl>
    </li>
  );
}
