/** A new key with its secret, shown once. */

import { Dialog } from "../../components/dialog.tsx";
import { SecretOnce } from "../../components/secret-once.tsx";

interface Props {
  secret: string;
  close(): void;
  children?: React.ReactNode;
}

export function NewKeyShown({ secret, close, children }: Props) {
  return (
    <Dialog label="The new key" onClose={close}>
      <div className="account-form">
        <h2>The new key</h2>
        <SecretOnce what="key" secret={secret}>
          {children}
          <p>
            Programs send it as <code>Authorization: Bearer ek_…</code>, or as the password of Basic authentication.
          </p>
        </SecretOnce>
        <div className="actions">
          <button type="button" onClick={close}>
            Done
          </button>
        </div>
      </div>
    </Dialog>
  );
}
