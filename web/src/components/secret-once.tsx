/** A secret that the server shows once: a key, a link, recovery codes. With a button to copy it. */

import { useRef, useState } from "react";

interface Props {
  /** The kind of secret, such as `key`. */
  what: string;
  secret: string;
  children?: React.ReactNode;
}

export function SecretOnce({ what, secret, children }: Props) {
  const shown = useRef<HTMLPreElement>(null);
  const [outcome, setOutcome] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(secret);
      setOutcome("Copied.");
    } catch {
      // Browsers let pages copy only on https and on this machine.
      select(shown.current);
      setOutcome("Selected. Copy it with the keyboard or the menu.");
    }
  };
  return (
    <div className="secret-once" data-testid="secret-once">
      <p className="notice">
        This is shown once, and not again. Copy the {what} now: Earcon keeps only what is needed to recognise the {what}.
      </p>
      <pre ref={shown} tabIndex={0} aria-label={`The ${what}`} data-testid="secret">
        {secret}
      </pre>
      <p className="copy">
        <button type="button" onClick={() => void copy()}>
          Copy the {what}
        </button>
        <span role="status">{outcome}</span>
      </p>
      {children}
    </div>
  );
}

function select(element: HTMLElement | null): void {
  const selection = getSelection();
  if (element !== null && selection !== null) {
    selection.selectAllChildren(element);
  }
}
