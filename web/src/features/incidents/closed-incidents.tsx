/** Incidents that closed in the last 24 hours: when, how long, how severe, and their members. */

import { useState } from "react";
import type { Incident } from "@earcon/client";
import { ListFrame } from "../../components/list-frame.tsx";
import { closedWords, notAlerted, seriesRoute } from "../../format/incidents.ts";
import { date } from "../../format/time.ts";
import { useClosedIncidents } from "../../hooks/use-closed-incidents.ts";
import { useLink } from "../../hooks/use-link.ts";
import { useKnownTime, useOutdated } from "../../hooks/use-outdated.ts";
import { Members } from "./members.tsx";
import { useShown } from "./use-shown.ts";
import { visible } from "../../format/visible.ts";

/** Incidents listed at first, and with each further click. */
const FEW = 5;
const FURTHER = 50;

export function ClosedIncidents({ selected }: { selected: string | undefined }) {
  const { incidents, more, loaded, problem, retry } = useClosedIncidents();
  const [wanted, setWanted] = useState(FEW);
  const outdated = useOutdated();
  if (!loaded && problem === null) {
    return null;
  }
  // The one that the address names is shown at once.
  const most = Math.max(wanted, incidents.findIndex(({ id }) => id === selected) + 1);
  return (
    <ListFrame
      as="section"
      className="incidents"
      title="Closed in the last 24 hours"
      problem={problem}
      retry={retry}
      empty={outdated === null ? "No incident closed in the last 24 hours." : "Not known while there is no connection."}
      items={incidents.slice(0, most).map((incident) => (
        <ClosedIncident key={incident.id} incident={incident} selected={incident.id === selected} />
      ))}
      loadMore={most < incidents.length ? () => setWanted(most + FURTHER) : undefined}
    >
      {more && most >= incidents.length && <p className="muted small">There are more. The API has all of them.</p>}
    </ListFrame>
  );
}

function ClosedIncident({ incident, selected }: { incident: Incident; selected: boolean }) {
  const now = useKnownTime();
  const link = useLink();
  const item = useShown(selected);
  const { acknowledged, first_mover, opened_at } = incident;
  const last = incident.last_at;
  const title = visible(incident.title);
  return (
    <li
      ref={item}
      className={`incident is-closed${selected ? " is-selected" : ""}`}
      data-testid="closed-incident"
      data-incident={incident.id}
    >
      <div className="headline">
        <strong className="title">
          {first_mover === null ? title : <a href={link(seriesRoute(first_mover, opened_at, last, now))}>{title}</a>}
        </strong>
        <span className="since">
          <time dateTime={new Date(opened_at).toISOString()} title={date(opened_at)}>
            {closedWords(incident, last, now)}
          </time>
        </span>
        <span className={`severity is-${incident.severity}`} title={`highest score ${incident.peak_score.toFixed(2)}`}>
          {incident.severity}, {notAlerted(incident)}
        </span>
      </div>
      {acknowledged !== null && (
        <p className="note">
          acknowledged by {acknowledged.by}, {date(acknowledged.at)}
          {acknowledged.note !== null && `: “${visible(acknowledged.note)}”`}
        </p>
      )}
      <Members incident={incident} now={now} unfolded={selected} />
    </li>
  );
}
