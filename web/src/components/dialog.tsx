/** A modal dialog. The escape key and the browser's back button on phones close it. */

import { useEffect, useRef, type ReactNode } from "react";

interface Props {
  label: string;
  /** Called when the dialog is closed in any way. */
  onClose(): void;
  children: ReactNode;
}

/** It is open for as long as it is rendered. */
export function Dialog({ label, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} className="dialog" aria-label={label} onClose={onClose}>
      {children}
    </dialog>
  );
}
