/** One incident: its title, its members, and the button to acknowledge it. */

import { useState } from "react";
import { type Incident, labelText, type Member } from "@earcon/client";
import { incidentTitle, membershipReason } from "../../format/incidents.ts";
import { labelsText } from "../../format/names.ts";
import { around } from "../../format/ranges.ts";
import type { Route } from "../../format/route.ts";
import { date, span } from "../../format/time.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useLink } from "../../hooks/use-link.ts";
import { useKnownTime } from "../../hooks/use-outdated.ts";

/** Members that are listed. The rest is only counted. */
const MAX_LISTED = 24;

export function IncidentItem({ incident }: { incident: Incident }) {
  // An open incident of an outdated state may have ended since.
  const now = useKnownTime();
  const link = useLink();
  const first = incident.first_mover;
  const { acknowledged } = incident;
  return (
    <li
      className={`incident${incident.alerted ? " is-alerted" : ""}${acknowledged === null ? "" : " is-acknowledged"}`}
      data-testid="incident"
      data-incident={incident.id}
      data-alerted={incident.alerted}
      data-acknowledged={acknowledged !== null}
    >
      <div className="headline">
        <strong className="title">{incidentTitle(incident)}</strong>
        <span className="since">
          for{" "}
          <time dateTime={new Date(incident.opened_at).toISOString()} title={date(incident.opened_at)}>
            {span(now - incident.opened_at)}
          </time>
          {incident.members_open === 0 && ", all series are normal again"}
        </span>
        <Acknowledge incident={incident} />
      </div>
      {first !== null && incident.members_total > 1 && (
        <p className="first">
          First anomaly: <a href={link(kpiRoute(first, incident.opened_at, now))}>{seriesName(first)}</a>
        </p>
      )}
      {acknowledged !== null && acknowledged.note !== null && <p className="note">“{acknowledged.note}”</p>}
      <details>
        <summary>
          {incident.members_total} series, {incident.members_open} anomalous now
        </summary>
        <ul className="members">
          {incident.members.slice(0, MAX_LISTED).map((member) => (
            <MemberItem key={`${member.kpi} ${labelText(member.labels)}`} member={member} now={now} />
          ))}
        </ul>
        {incident.members_total > MAX_LISTED && <p className="muted">and {incident.members_total - MAX_LISTED} more</p>}
      </details>
    </li>
  );
}

function MemberItem({ member, now }: { member: Member; now: number }) {
  const link = useLink();
  const reason = membershipReason(member);
  return (
    <li className={`is-${member.state}`}>
      <span aria-hidden="true">{member.direction === "above" ? "▲" : "▼"}</span>{" "}
      <span className="sr">{member.direction}</span>
      <a href={link(kpiRoute(member, member.opened_at, now))}>{seriesName(member)}</a>
      {reason !== "" && <span className="muted"> {reason}</span>}
      {member.muted !== null && <span className="muted"> muted: {member.muted}</span>}
    </li>
  );
}

function seriesName({ kpi, labels }: Pick<Member, "kpi" | "labels">): string {
  return [kpi, labelsText(labels)].filter(Boolean).join(" ");
}

function kpiRoute({ kpi, labels }: Pick<Member, "kpi" | "labels">, at: number, now: number): Route {
  const series = [labelText(labels)].filter(Boolean);
  return { page: "kpi", kpi, series, range: around(at, null, now) };
}

function Acknowledge({ incident }: { incident: Incident }) {
  const { store } = useAppContext();
  const [problem, setProblem] = useState<string | null>(null);
  if (incident.acknowledged !== null) {
    const { by, at } = incident.acknowledged;
    return <span className="muted">{`acknowledged by ${by}, ${date(at)}`}</span>;
  }
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
      <button type="button" onClick={() => void acknowledge()} aria-label={`Acknowledge ${incident.title}`}>
        Acknowledge
      </button>
    </span>
  );
}
