/** In place of a page that the role does not permit. */

import type { ReactNode } from "react";

export function NotPermitted({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="empty" aria-label={title} data-testid="not-permitted">
      <h1>{title}</h1>
      <p>{children}</p>
    </section>
  );
}
