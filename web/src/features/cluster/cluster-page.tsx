/** The cluster: how it is, its nodes, and which of them owns which workspace. */

import { useEffect, useState } from "react";
import { Client } from "@earcon/client";
import { ClusterWatch, type ClusterPicture } from "../../live/poller.ts";
import { health, sortNodes } from "../../format/cluster.ts";
import { span } from "../../format/time.ts";
import { NodeCard } from "./node-card.tsx";
import { WorkspaceTable } from "./workspace-table.tsx";
import { useNow, useSignal } from "../../hooks/app-context.ts";

/** After so long without an answer the page says that it waits, even though nothing is known to be wrong. */
const SLOW_MS = 4_000;

/** @param workspace the chosen one */
export function ClusterPage({ workspace }: { workspace: string }) {
  const [watch] = useState(() => new ClusterWatch((signal) => new Client().cluster(signal)));
  useSignal(watch.changed);
  useEffect(() => {
    watch.start();
    return () => watch.stop();
  }, [watch]);
  const { picture, problem } = watch;
  if (picture === null) {
    return <NoPicture problem={problem} />;
  }
  const { cluster, at } = picture;
  return (
    <article className="cluster" aria-labelledby="cluster-name">
      <h1 id="cluster-name">Cluster</h1>
      <Age watch={watch} picture={picture} />
      <HealthLine picture={picture} current={problem === null} />
      {cluster.nodes.length > 0 && (
        <ul className="nodes" aria-label="Nodes">
          {sortNodes(cluster.nodes).map((node) => (
            <NodeCard key={node.node} node={node} asked={cluster.enabled && node.node === cluster.node} now={at} />
          ))}
        </ul>
      )}
      <WorkspaceTable cluster={cluster} chosen={workspace} />
    </article>
  );
}

function HealthLine({ picture, current }: { picture: ClusterPicture; current: boolean }) {
  const { well, before, lasting, after } = health(picture.cluster);
  const state = !current ? "old" : well ? "well" : "watch";
  return (
    <p className={`health is-${state}`} data-testid="health" data-state={state}>
      <i aria-hidden="true">{well ? "✓" : "!"}</i>
      <span role="status">
        {before}
        {/* Screen readers do not count along. */}
        <span aria-hidden="true">{lasting}</span>
        {after}
      </span>
    </p>
  );
}

/** How old the picture is, when it is. */
function Age({ watch, picture }: { watch: ClusterWatch; picture: ClusterPicture }) {
  const now = useNow();
  if (watch.problem === null && watch.waiting(now) < SLOW_MS) {
    return null;
  }
  return (
    <p className="notice" data-testid="age">
      <span role="alert">{watch.problem ?? "The server takes its time"}.</span> This is how it was{" "}
      <span aria-hidden="true">{span(now - picture.at)} ago</span>
      <span className="sr">before</span>.
    </p>
  );
}

function NoPicture({ problem }: { problem: string | null }) {
  if (problem === null) {
    return (
      <section className="empty" aria-busy="true">
        <p>Asking…</p>
      </section>
    );
  }
  return (
    <section className="empty" role="alert">
      <h1>Nothing is known of the cluster</h1>
      <p>{problem}. This page asks again by itself.</p>
    </section>
  );
}
