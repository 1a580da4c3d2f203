/** One open incident: its title, its members, and the button to acknowledge it. */

import { useState } from "react";
import type { Incident } from "@earcon/client";
import { Stalled } from "../../components/stalled.tsx";
import { notAlerted, seriesRoute } from "../../format/incidents.ts";
import { seriesName } from "../../format/names.ts";
import { date, moment } from "../../format/time.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { usePermissions } from "../../hooks/session-context.ts";
import { useLink } from "../../hooks/use-link.ts";
import { useKnownTime } from "../../hooks/use-outdated.ts";
import { Members } from "./members.tsx";
import { useShown } from "./use-shown.ts";
import { visible } from "../../format/visible.ts";

interface Props {
  incident: Incident;
  /** Whether the address names it. Then it is unfolded and scrolled to. */
  selected: boolean;
}

export function IncidentItem({ incident, selected }: Props) {
  // An open incident of an outdated state may have ended since.
  const now = useKnownTime();
  const link = useLink();
  const item = useShown(selected);
  const first = incident.first_mover;
  const { acknowledged } = incident;
  return (
    <li
      ref={item}
      className={`incident${incident.alerted ? " is-alerted" : ""}${acknowledged === null ? "" : " is-acknowledged"}${selected ? " is-selected" : ""}`}
      data-testid="incident"
      data-incident={incident.id}
      data-alerted={incident.alerted}
      data-acknowledged={acknowledged !== null}
    >
      <div className="headline">
        <strong className="title">{visible(incident.title)}</strong>
        <span className="since">
          since{" "}
          <time dateTime={new Date(incident.opened_at).toISOString()} title={date(incident.opened_at)}>
            {moment(incident.opened_at, now)}
          </time>
          {incident.members_open === 0 && ", no series is anomalous any more"}
        </span>
        <span className={`severity is-${incident.severity}`} data-testid="severity">
          {incident.severity}
          {!incident.alerted && `, ${notAlerted(incident)}`}
        </span>
        <Stalled of={incident.members} />
        <Acknowledgement incident={incident} />
      </div>
      {first !== null && incident.members_total > 1 && (
        <p className="first">
          First anomaly: <a href={link(seriesRoute(first, incident.opened_at, null, now))}>{seriesName(first)}</a>
        </p>
      )}
      {acknowledged !== null && acknowledged.note !== null && <p className="note">“{visible(acknowledged.note)}”</p>}
      <Members incident={incident} now={now} unfolded={selected} />
    </li>
  );
}

function Acknowledgement({ incident }: { incident: Incident }) {
  const may = usePermissions();
  if (incident.acknowledged !== null) {
    const { by, at } = incident.acknowledged;
    return <span className="muted">{`acknowledged by ${by}, ${date(at)}`}</span>;
  }
  return may.has("acknowledge") ? <Acknowledge incident={incident} /> : null;
}

function Acknowledge({ incident }: { incident: Incident }) {
  const { store } = useAppContext();
  const [problem, setProblem] = useState<string | null>(null);
  const acknowledge = () =>
    store.api.acknowledgeIncident(incident.id).then(
      (answer) => {
        store.state.applyIncident(answer);
        store.notify();
      },
      (error: Error) => setProblem(error.message),
    );
  return (
    <span className="acknowledge">
      {problem !== null && <span role="alert">{problem}</span>}
      <button type="button" onClick={() => void acknowledge()} aria-label={`Acknowledge ${visible(incident.title)}`}>
        Acknowledge
      </button>
    </span>
  );
}
