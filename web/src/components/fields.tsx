/** Fields of forms: text, passwords, codes. Password managers know their names. */

import { type ReactNode, useId, useState } from "react";

interface Props {
  label: ReactNode;
  name: string;
  value: string;
  onChange(value: string): void;
  disabled?: boolean;
  /** What a browser may fill in. */
  autoComplete?: string;
  /** Said below the field. */
  hint?: ReactNode;
  /** Why the value is not accepted. */
  problem?: string | null;
  maxLength?: number;
  autoFocus?: boolean;
  /** A name or a code, no prose: no correction and no capital letters. */
  plain?: boolean;
  inputMode?: "numeric" | "text";
}

export function TextField(props: Props) {
  return <Field {...props} type="text" />;
}

/** A password, with a button that shows it. */
export function PasswordField(props: Props) {
  const [shown, setShown] = useState(false);
  return (
    <Field {...props} plain type={shown ? "text" : "password"}>
      <button
        type="button"
        className="quiet"
        aria-pressed={shown}
        aria-label={`Show: ${typeof props.label === "string" ? props.label : props.name}`}
        onClick={() => setShown(!shown)}
      >
        {shown ? "Hide" : "Show"}
      </button>
    </Field>
  );
}

function Field(props: Props & { type: "text" | "password"; children?: ReactNode }) {
  const { label, name, value, onChange, disabled = false, autoComplete = "off", hint, problem = null, type } = props;
  const id = useId();
  const described = [hint !== undefined ? `${id}-hint` : "", problem !== null ? `${id}-problem` : ""].join(" ").trim();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <span className="control">
        <input
          id={id}
          type={type}
          name={name}
          value={value}
          disabled={disabled}
          autoComplete={autoComplete}
          autoFocus={props.autoFocus ?? false}
          {...(props.maxLength === undefined ? {} : { maxLength: props.maxLength })}
          {...(props.inputMode === undefined ? {} : { inputMode: props.inputMode })}
          {...(props.plain === true ? { autoCapitalize: "none", spellCheck: false } : {})}
          aria-describedby={described === "" ? undefined : described}
          aria-invalid={problem !== null}
          onChange={({ currentTarget }) => onChange(currentTarget.value)}
        />
        {props.children}
      </span>
      {hint !== undefined && (
        <span id={`${id}-hint`} className="muted small">
          {hint}
        </span>
      )}
      {problem !== null && (
        <span id={`${id}-problem`} className="field-problem small">
          {problem}
        </span>
      )}
    </div>
  );
}
