/** The anomalies of the workspace: open ones first, then the newest. */

import { useAnomalies } from "../../hooks/use-anomalies.ts";
import { AnomalyItem } from "../../components/anomaly-item.tsx";
import { useSurroundings } from "../../hooks/app-context.ts";

const PAGE = 30;

export function Feed() {
  const { board } = useSurroundings().station;
  const { anomalies, more, problem, loadMore, retry } = useAnomalies(PAGE);
  return (
    <aside className="feed" aria-label="Anomalies">
      <h2>
        Anomalies{" "}
        {board.open > 0 && (
          <span className="badge" data-testid="open">
            {board.open} open
          </span>
        )}
      </h2>
      {problem !== null && (
        <p className="notice" role="alert">
          Anomalies could not be read: {problem}{" "}
          <button type="button" className="quiet" onClick={retry}>
            Try again
          </button>
        </p>
      )}
      {anomalies.length === 0 && problem === null && <AllQuiet />}
      <ul className="feed-list">
        {anomalies.map((anomaly) => (
          <AnomalyItem key={anomaly.id} anomaly={anomaly} />
        ))}
      </ul>
      {more && (
        <button type="button" className="quiet more" onClick={loadMore}>
          Show older
        </button>
      )}
    </aside>
  );
}

function AllQuiet() {
  return (
    <p className="quiet-note">
      All quiet. When a KPI leaves its usual course, it appears here.
    </p>
  );
}
