/** Open incidents: those that alerted, and below them the suppressed ones. */

import { ListFrame } from "../../components/list-frame.tsx";
import { calmWords } from "../../format/calm.ts";
import { compareIncidents } from "../../format/incidents.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useOutdated } from "../../hooks/use-outdated.ts";
import { useSignal } from "../../hooks/use-signal.ts";
import { IncidentItem } from "./incident-item.tsx";

/** @param selected id of the incident that the address names */
export function IncidentList({ selected }: { selected: string | undefined }) {
  const { store } = useAppContext();
  useSignal(store.anomaliesChanged);
  useSignal(store.seriesChanged);
  const outdated = useOutdated();
  if (!store.state.ready) {
    return null;
  }
  const all = [...store.state.incidents.values()].sort(compareIncidents);
  const items = (alerted: boolean) =>
    all
      .filter((incident) => incident.alerted === alerted)
      .map((incident) => <IncidentItem key={incident.id} incident={incident} selected={incident.id === selected} />);
  const alerted = items(true);
  const suppressed = items(false);
  return (
    <ListFrame
      as="section"
      className="incidents"
      title="Incidents"
      open={alerted.length}
      openTestId="incidents-open"
      empty={calmWords("No open incident has alerted.", outdated, store.state.series.values())}
      items={alerted}
    >
      {suppressed.length > 0 && (
        <details open={all.some(({ id, alerted }) => id === selected && !alerted)}>
          <summary>
            {suppressed.length} suppressed {suppressed.length === 1 ? "incident" : "incidents"}: recorded without an alert
          </summary>
          <ul>{suppressed}</ul>
        </details>
      )}
    </ListFrame>
  );
}
