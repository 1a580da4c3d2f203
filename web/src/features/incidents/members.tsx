/** The members of an incident, folded away at first. */

import { type Incident, labelText, type Member } from "@earcon/client";
import { Stalled } from "../../components/stalled.tsx";
import { departureSign, departureWords } from "../../format/anomalies.ts";
import { membershipReason, seriesRoute } from "../../format/incidents.ts";
import { seriesName } from "../../format/names.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useLink } from "../../hooks/use-link.ts";

/** Members that are listed. The rest is only counted. */
const MAX_LISTED = 24;

interface Props {
  incident: Incident;
  /** The time up to which the state is known. */
  now: number;
  /** Whether they are shown at first. */
  unfolded: boolean;
}

export function Members({ incident, now, unfolded }: Props) {
  const { members, members_total, members_open, state } = incident;
  return (
    <details open={unfolded}>
      <summary>
        {members_total} series{state === "open" && `, ${members_open} anomalous now`}
      </summary>
      <ul className="members">
        {members.slice(0, MAX_LISTED).map((member) => (
          <MemberItem key={`${member.kpi} ${labelText(member.labels)}`} member={member} now={now} />
        ))}
      </ul>
      {members_total > MAX_LISTED && <p className="muted">and {members_total - MAX_LISTED} more</p>}
    </details>
  );
}

function MemberItem({ member, now }: { member: Member; now: number }) {
  const { anomalies } = useAppContext().store.state;
  const link = useLink();
  const reason = membershipReason(member);
  const open = member.state === "open";
  const repeats = member.reason === "volatility";
  const last = anomalies.get(member.anomaly)?.last_at ?? member.closed_at;
  return (
    <li className={`is-${member.state}`}>
      <span aria-hidden="true">{departureSign(member)}</span>{" "}
      <a href={link(seriesRoute(member, member.opened_at, open ? null : last, now))}>{seriesName(member)}</a>
      <span className={repeats ? "muted" : "sr"}> {departureWords(member)}</span>
      {open && <Stalled of={[member]} />}
      {reason !== "" && <span className="muted"> {reason}</span>}
      {member.muted !== null && <span className="muted"> muted: {member.muted}</span>}
    </li>
  );
}
