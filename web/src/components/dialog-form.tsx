/** A dialog with one action: its fields, the problem with it, and buttons to cancel or do it. */

import { type ReactNode, useState } from "react";
import { Dialog } from "./dialog.tsx";

interface Props {
  /** The heading. It is the name of the dialog too. */
  title: string;
  close(): void;
  /** What comes after success, in place of closing. */
  done?: () => void;
  /** The text of the button. */
  action: string;
  /** The same while the action runs. */
  running: string;
  danger?: boolean;
  /** Whether the action can be run now. */
  ready: boolean;
  /** An error stays in the dialog. */
  run(): Promise<void>;
  /** The fields. They are disabled while `busy`. */
  children(busy: boolean): ReactNode;
}

export function DialogForm({ title, close, done = close, action, running, danger = false, ready, run, children }: Props) {
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const submit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await run();
    } catch (error) {
      setProblem(words(error));
      setBusy(false);
      return;
    }
    done();
  };

  return (
    <Dialog label={title} onClose={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <h2>{title}</h2>
        {children(busy)}
        {problem !== null && (
          <p className="notice" role="alert">
            {problem}
          </p>
        )}
        <div className="actions">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" className={danger ? "danger" : undefined} disabled={busy || !ready}>
            {busy ? running : action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface FieldProps {
  /** What to enter. */
  label: ReactNode;
  name: string;
  value: string;
  onChange(value: string): void;
  disabled: boolean;
  maxLength?: number;
}

/** A line of text that is no prose: a name or a code. */
export function CodeField({ label, name, value, onChange, disabled, maxLength }: FieldProps) {
  return (
    <label className="field">
      <span>{label}</span>
      <input
        type="text"
        name={name}
        maxLength={maxLength}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        value={value}
        disabled={disabled}
        onChange={({ currentTarget }) => onChange(currentTarget.value)}
      />
    </label>
  );
}

/** What went wrong, in words. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
