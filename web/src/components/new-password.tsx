/** A new password, entered twice, with the rule for it. */

import { useState } from "react";
import { FEWEST_CHARACTERS, passwordProblem } from "../format/accounts.ts";
import { PasswordField } from "./fields.tsx";

export interface NewPasswordState {
  first: string;
  again: string;
}

export const NO_PASSWORD: NewPasswordState = { first: "", again: "" };

interface Props {
  value: NewPasswordState;
  onChange(value: NewPasswordState): void;
  disabled: boolean;
}

export function NewPassword({ value, onChange, disabled }: Props) {
  const { first, again } = value;
  // While the first one is typed, nothing is wrong yet.
  const [left, setLeft] = useState(false);
  const problem = first === "" ? null : passwordProblem(first, again);
  const short = problem !== null && passwordProblem(first, first) !== null;
  return (
    <div className="new-password" onBlur={() => setLeft(true)}>
      <PasswordField
        label="Password"
        name="new-password"
        autoComplete="new-password"
        value={first}
        disabled={disabled}
        hint={`At least ${FEWEST_CHARACTERS} characters. Several words in a row are easy to remember and hard to guess.`}
        problem={left && short ? problem : null}
        onChange={(first) => onChange({ first, again })}
      />
      <PasswordField
        label="Password again"
        name="new-password-again"
        autoComplete="new-password"
        value={again}
        disabled={disabled}
        problem={again !== "" && !short ? problem : null}
        onChange={(again) => onChange({ first, again })}
      />
    </div>
  );
}
