/** The choice of workspaces: all of the organisation, or some. */

import { shortName } from "../../live/session.ts";
import type { Listing } from "../../hooks/use-listing.ts";

interface Props {
  /** Tells this choice from others on the page. */
  name: string;
  known: Listing<string[]>;
  /** Whether all may be chosen: nobody gives more than they have. */
  mayAll: boolean;
  /** null: all. */
  value: string[] | null;
  onChange(value: string[] | null): void;
  disabled: boolean;
}

export function ReachField({ name, known, mayAll, value, onChange, disabled }: Props) {
  // One that was chosen before may have been deleted since.
  const names = [...new Set([...(known.items ?? []), ...(value ?? [])])].sort();
  const toggle = (workspace: string, chosen: boolean) =>
    onChange(chosen ? [...(value ?? []), workspace].sort() : (value ?? []).filter((each) => each !== workspace));
  return (
    <fieldset disabled={disabled}>
      <legend>Workspaces</legend>
      {mayAll && (
        <label className="option">
          <input type="radio" name={name} checked={value === null} onChange={() => onChange(null)} />
          <span>All, also those that are made later</span>
        </label>
      )}
      <label className="option">
        <input type="radio" name={name} checked={value !== null} onChange={() => onChange([])} />
        <span>Only these</span>
      </label>
      {value !== null && (
        <div className="nested">
          {known.problem !== null && <p role="alert">The workspaces could not be loaded: {known.problem}</p>}
          {known.items !== null && names.length === 0 && <p className="muted">The organisation has no workspace yet.</p>}
          {names.map((workspace) => (
            <label key={workspace} className="option">
              <input
                type="checkbox"
                checked={value.includes(workspace)}
                onChange={({ currentTarget }) => toggle(workspace, currentTarget.checked)}
              />
              <span>{shortName(workspace)}</span>
            </label>
          ))}
        </div>
      )}
    </fieldset>
  );
}
