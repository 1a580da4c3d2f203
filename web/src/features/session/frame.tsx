/** The frame of the pages without a session: the name of the program, and one box. */

import type { ReactNode } from "react";
import { Mark } from "../../components/mark.tsx";

export function SessionFrame({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="session-page">
      <main className="session-box" aria-labelledby="session-title">
        <p className="brand">
          <Mark />
          <span>Earcon</span>
        </p>
        <h1 id="session-title">{title}</h1>
        {children}
      </main>
    </div>
  );
}
