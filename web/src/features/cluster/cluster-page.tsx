/** Status of the cluster: its health, its nodes, and the owners of the workspaces. */

import { useState } from "react";
import { Client, type Cluster } from "@earcon/client";
import { type Answer, Poller } from "../../live/poller.ts";
import { health, sortNodes } from "../../format/cluster.ts";
import { span } from "../../format/time.ts";
import { NodeCard } from "./node-card.tsx";
import { WorkspaceTable } from "./workspace-table.tsx";
import { useNow } from "../../hooks/use-now.ts";
import { usePoller } from "../../hooks/use-poller.ts";

/** A response that takes longer than this is reported as slow. */
const SLOW_MS = 4_000;

/** @param workspace the selected workspace */
export function ClusterPage({ workspace }: { workspace: string }) {
  const [poller] = useState(() => new Poller((signal) => new Client().cluster(signal)));
  usePoller(poller);
  const { answer, problem } = poller;
  if (answer === null) {
    return <NoAnswer problem={problem} />;
  }
  const { value: cluster, at } = answer;
  return (
    <article className="cluster" aria-labelledby="cluster-name">
      <h1 id="cluster-name">Cluster</h1>
      <Outdated poller={poller} answer={answer} />
      <HealthLine cluster={cluster} current={problem === null} />
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
      <i aria-hidden="true">{healthy ? "✓" : "!"}</i>
      <span role="status">
        {before}
        {/* Hidden from screen readers, which would read each change. */}
        <span aria-hidden="true">{changing}</span>
        {after}
      </span>
    </p>
  );
}

/** Says that the shown status is outdated, and how old it is. */
function Outdated({ poller, answer }: { poller: Poller<Cluster>; answer: Answer<Cluster> }) {
  const now = useNow();
  if (poller.problem === null && poller.waitingMs(now) < SLOW_MS) {
    return null;
  }
  return (
    <p className="notice" data-testid="age">
      <span role="alert">{poller.problem ?? "The server is slow to answer"}.</span> Showing the last answer
      <span aria-hidden="true">, {span(now - answer.at)} old</span>.
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
