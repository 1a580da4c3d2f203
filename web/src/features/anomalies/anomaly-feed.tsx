/** Anomalies of the workspace: open ones first, then the newest. */

import { AnomalyItem } from "../../components/anomaly-item.tsx";
import { ListFrame } from "../../components/list-frame.tsx";
import { calmWords } from "../../format/calm.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useAnomalies } from "../../hooks/use-anomalies.ts";
import { useOutdated } from "../../hooks/use-outdated.ts";

const PAGE_SIZE = 30;

export function AnomalyFeed() {
  const { state } = useAppContext().store;
  const outdated = useOutdated();
  const { anomalies, more, problem, loadMore, retry } = useAnomalies(PAGE_SIZE);
  return (
    <ListFrame
      as="aside"
      className="feed"
      title="Anomalies"
      open={state.openAnomalies}
      openTestId="open"
      problem={problem}
      retry={retry}
      empty={calmWords("No anomalies yet. An anomaly appears here as soon as it is detected.", outdated, state.series.values())}
      listClassName="feed-list"
      items={anomalies.map((anomaly) => (
        <AnomalyItem key={anomaly.id} anomaly={anomaly} />
      ))}
      loadMore={more ? loadMore : undefined}
    />
  );
}
