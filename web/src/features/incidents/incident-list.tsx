/** The open incidents: what happens now, whose it is, and the button that says that somebody has seen it. */

import { useState } from "react";
import { type Incident, labelText, type Member } from "@earcon/client";
import { labelsShown } from "../../format/names.ts";
import { compareIncidents, incidentTitle, whyMember } from "../../format/incidents.ts";
import { around } from "../../format/ranges.ts";
import { routeHash } from "../../format/route.ts";
import { date, span } from "../../format/time.ts";
import { useNow, useSignal, useSurroundings } from "../../hooks/app-context.ts";

/** Members named before the rest is only counted. */
const NAMED = 24;

export function Incidents() {
  const { station } = useSurroundings();
  useSignal(station.news);
  useSignal(station.shape);
  if (!station.board.ready) {
    return null;
  }
  const all = [...station.board.incidents.values()].sort(compareIncidents);
  const told = all.filter((incident) => incident.told);
  const quiet = all.filter((incident) => !incident.told);
  return (
    <section className="incidents" aria-label="Incidents">
      <h2>
        Incidents{" "}
        {told.length > 0 && (
          <span className="badge" data-testid="incidents-open">
            {told.length} open
          </span>
        )}
      </h2>
      {told.length === 0 && <p className="quiet-note">Nothing needs attention.</p>}
      <ul>
        {told.map((incident) => (
          <IncidentItem key={incident.id} incident={incident} />
        ))}
      </ul>
      {quiet.length > 0 && (
        <details>
          <summary>
            {quiet.length} quiet {quiet.length === 1 ? "one" : "ones"}: recorded, not alerted
          </summary>
          <ul>
            {quiet.map((incident) => (
              <IncidentItem key={incident.id} incident={incident} />
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function IncidentItem({ incident }: { incident: Incident }) {
  const now = useNow();
  const first = incident.first_mover;
  const { acknowledged } = incident;
  return (
    <li
      className={`incident${incident.told ? " is-told" : ""}${acknowledged === null ? "" : " is-seen"}`}
      data-testid="incident"
      data-incident={incident.id}
      data-told={incident.told}
      data-acknowledged={acknowledged !== null}
    >
      <div className="headline">
        <strong className="title">{incidentTitle(incident)}</strong>
        <span className="since">
          for{" "}
          <time dateTime={new Date(incident.opened_at).toISOString()} title={date(incident.opened_at)}>
            {span(now - incident.opened_at)}
          </time>
          {incident.members_open === 0 && ", calming down"}
        </span>
        <Acknowledge incident={incident} />
      </div>
      {first !== null && incident.members_total > 1 && (
        <p className="first">
          Moved first:{" "}
          <a href={kpiHref(first, incident.opened_at, now)}>
            {named(first)}
          </a>
        </p>
      )}
      {acknowledged !== null && acknowledged.note !== null && <p className="note">“{acknowledged.note}”</p>}
      <details>
        <summary>
          {incident.members_total} series, {incident.members_open} anomalous now
        </summary>
        <ul className="members">
          {incident.members.slice(0, NAMED).map((member) => (
            <MemberItem key={`${member.kpi} ${labelText(member.labels)}`} member={member} now={now} />
          ))}
        </ul>
        {incident.members_total > NAMED && <p className="muted">and {incident.members_total - NAMED} more</p>}
      </details>
    </li>
  );
}

function MemberItem({ member, now }: { member: Member; now: number }) {
  const why = whyMember(member);
  return (
    <li className={`is-${member.state}`}>
      <span aria-hidden="true">{member.direction === "above" ? "▲" : "▼"}</span>{" "}
      <span className="sr">{member.direction}</span>
      <a href={kpiHref(member, member.opened_at, now)}>
        {named(member)}
      </a>
      {why !== "" && <span className="muted"> {why}</span>}
      {member.muted !== null && <span className="muted"> muted: {member.muted}</span>}
    </li>
  );
}

function named({ kpi, labels }: Pick<Member, "kpi" | "labels">): string {
  return [kpi, labelsShown(labels)].filter(Boolean).join(" ");
}

function kpiHref(of: Pick<Member, "kpi" | "labels">, at: number, now: number): string {
  const series = [labelText(of.labels)].filter(Boolean);
  return routeHash({ page: "kpi", kpi: of.kpi, series, range: around(at, null, now) });
}

function Acknowledge({ incident }: { incident: Incident }) {
  const { station } = useSurroundings();
  const [problem, setProblem] = useState<string | null>(null);
  if (incident.acknowledged !== null) {
    const { by, at } = incident.acknowledged;
    return <span className="muted">{`seen by ${by}, ${date(at)}`}</span>;
  }
  const send = () =>
    station.api.acknowledgeIncident(incident.id).then(
      (answer) => {
        station.board.takeIncident(answer);
        station.announce();
      },
      (error: Error) => setProblem(error.message),
    );
  return (
    <span className="acknowledge">
      {problem !== null && <span role="alert">{problem}</span>}
      <button type="button" onClick={() => void send()} aria-label={`Acknowledge ${incident.title}`}>
        Acknowledge
      </button>
    </span>
  );
}
