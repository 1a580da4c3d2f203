/** Status of the cluster: its health, its nodes, and the owners of the workspaces. */

import { useState } from "react";
import { Client, type Cluster } from "@earcon/client";
import { OutdatedAnswer } from "../../components/outdated-answer.tsx";
import { Poller } from "../../live/poller.ts";
import { health, sortNodes } from "../../format/cluster.ts";
import { NodeCard } from "./node-card.tsx";
import { WorkspaceTable } from "./workspace-table.tsx";
import { useSessionStore } from "../../hooks/session-context.ts";
import { usePoller } from "../../hooks/use-poller.ts";

/** @param workspace the selected workspace */
export function ClusterPage({ workspace }: { workspace: string }) {
  const { fetch } = useSessionStore();
  const [poller] = useState(() => new Poller((signal) => new Client({ fetch }).cluster(signal)));
  usePoller(poller);
  const { answer, problem } = poller;
  if (answer === null) {
    return <NoAnswer problem={problem} />;
  }
  const { value: cluster, at } = answer;
  return (
    <article className={`cluster${poller.failed ? " is-outdated" : ""}`} aria-labelledby="cluster-name">
      <h1 id="cluster-name">Cluster</h1>
      <OutdatedAnswer poller={poller} />
      <HealthLine cluster={cluster} current={!poller.failed} />
      {cluster.nodes.length > 0 && (
        <ul className="nodes" aria-label="Nodes">
          {sortNodes(cluster.nodes).map((node) => (
            <NodeCard key={node.node} node={node} connected={cluster.enabled && node.node === cluster.node} now={at} />
          ))}
        </ul>
      )}
      <WorkspaceTable cluster={cluster} selected={workspace} />
    </article>
  );
}

function HealthLine({ cluster, current }: { cluster: Cluster; current: boolean }) {
  const { healthy, before, changing, after } = health(cluster);
  const state = !current ? "outdated" : healthy ? "healthy" : "attention";
  return (
    <p className={`health is-${state}`} data-testid="health" data-state={state}>
      <i aria-hidden="true">{!current ? "?" : healthy ? "✓" : "!"}</i>
      <span role="status">
        {before}
        {/* Hidden from screen readers, which would read each change. */}
        <span aria-hidden="true">{changing}</span>
        {after}
      </span>
    </p>
  );
}

function NoAnswer({ problem }: { problem: string | null }) {
  if (problem === null) {
    return (
      <section className="empty" aria-busy="true">
        <p>Loading…</p>
      </section>
    );
  }
  return (
    <section className="empty" role="alert">
      <h1>The cluster status is not available</h1>
      <p>{problem}. This page retries automatically.</p>
    </section>
  );
}
