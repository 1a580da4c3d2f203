/** The page on which people sign in, and the same over a page whose session has ended. */

import { useEffect, useRef } from "react";
import { SessionFrame } from "./frame.tsx";
import { SignInForm } from "./sign-in-form.tsx";

/** @param unclaimed whether the server has no owner yet */
export function SignInPage({ unclaimed }: { unclaimed: boolean }) {
  useEffect(() => {
    document.title = "Earcon: sign in";
  }, []);
  if (unclaimed) {
    return (
      <SessionFrame title="Nobody owns this server yet">
        <p>
          When it started, the server printed a link for its first owner. Open that link: it contains{" "}
          <code>/#/claim/eo_</code>, works once, and for a day. After a restart the server prints a new one.
        </p>
      </SessionFrame>
    );
  }
  return (
    <SessionFrame title="Sign in">
      <SignInForm />
      <p className="muted small">No account? Ask an administrator of your organisation for an invitation.</p>
    </SessionFrame>
  );
}

/**
 * Covers the page, which stays unchanged until the next sign-in. It is a modal dialog, so that it
 * is above dialogs that the page has opened.
 */
export function SignInAgain({ login }: { login: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    show(element);
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className="sign-in-again"
      aria-label="Sign in again"
      onCancel={(event) => event.preventDefault()}
      // Browsers close a dialog when the escape key is pressed twice, whatever the page says.
      onClose={() => show(dialog.current)}
    >
      <SessionFrame title="Sign in again">
        <p>Your session has ended. After the sign-in you are back on this page.</p>
        <SignInForm login={login} />
      </SessionFrame>
    </dialog>
  );
}

/** Shows the dialog if it is a part of the page. The login is known, the password is not. */
function show(dialog: HTMLDialogElement | null): void {
  if (dialog?.isConnected === true) {
    dialog.showModal();
    dialog.querySelector<HTMLInputElement>("input[name=password]")?.focus();
  }
}
