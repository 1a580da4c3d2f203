/** The choice of a role and of the workspaces where it holds. */

import type { Grant } from "../../live/accounts-api.ts";
import type { Role } from "../../live/session.ts";
import { roleSentence } from "../../format/accounts.ts";
import type { Listing } from "../../hooks/use-listing.ts";
import { ReachField } from "./reach-field.tsx";

interface Props {
  name: string;
  /** The roles that may be given. */
  roles: readonly Role[];
  workspaces: Listing<string[]>;
  value: Grant;
  onChange(value: Grant): void;
  disabled: boolean;
}

export function GrantFields({ name, roles, workspaces, value, onChange, disabled }: Props) {
  // A role above the own one stays in the list while it is held, so that it is not changed unseen.
  const offered = roles.includes(value.role) ? roles : [...roles, value.role];
  const owner = value.role === "owner";
  return (
    <>
      <label className="field">
        <span>Role</span>
        <select
          name={`${name}-role`}
          value={value.role}
          disabled={disabled}
          onChange={({ currentTarget }) => {
            const role = currentTarget.value as Role;
            onChange({ role, workspaces: role === "owner" ? null : value.workspaces });
          }}
        >
          {offered.map((role) => (
            <option key={role} value={role}>
              {role}
            </option>
          ))}
        </select>
      </label>
      <p className="muted small" role="status">
        {roleSentence(value.role)}
      </p>
      {owner ? (
        <p className="muted">An owner has all workspaces of the organisation.</p>
      ) : (
        <ReachField
          name={`${name}-reach`}
          known={workspaces}
          mayAll
          value={value.workspaces}
          onChange={(workspaces) => onChange({ ...value, workspaces })}
          disabled={disabled}
        />
      )}
    </>
  );
}

/** Whether the choice says where the role holds. */
export function isComplete({ workspaces }: Grant): boolean {
  return workspaces === null || workspaces.length > 0;
}
