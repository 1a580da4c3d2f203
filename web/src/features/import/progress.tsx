/** Progress and result of an import. */

import { whole } from "../../format/count.ts";
import { type ImportLine, importSummary, tooOldWords } from "../../format/import.ts";
import { useLink } from "../../hooks/use-link.ts";
import type { UploadState } from "./upload.ts";

export function Progress({ state, stop }: { state: UploadState; stop: () => void }) {
  switch (state.phase) {
    case "idle":
      return null;
    case "sending":
    case "reading":
      return (
        <p>
          {state.name}:{" "}
          {state.phase === "sending" ? (
            <>
              sending <progress max={1} value={state.share} />
            </>
          ) : (
            <>{state.line === null ? "reading…" : importSummary(state.line)} </>
          )}{" "}
          <button type="button" className="quiet" onClick={stop}>
            Stop
          </button>
        </p>
      );
    case "failed":
      return (
        <p role="alert">
          {state.name} was not imported: {state.why}
        </p>
      );
    case "done":
      return <Result name={state.name} line={state.line} />;
  }
}

function Result({ name, line }: { name: string; line: ImportLine }) {
  const link = useLink();
  const problems = line.problems ?? [];
  const unlisted = line.skipped + line.rejected - problems.length;
  return (
    <>
      <p>
        <strong>{name}</strong>: {importSummary(line)} <a href={link({ page: "grid" })}>See the KPIs</a>
      </p>
      {line.error !== undefined && <p role="alert">The import ended early: {line.error}</p>}
      {line.too_old !== undefined && <p role="alert">{tooOldWords(line.too_old)}</p>}
      {line.warning !== undefined && <p>{line.warning}</p>}
      {problems.length > 0 && (
        <ul className="problems">
          {problems.map((problem, at) => (
            <li key={at}>{problem}</li>
          ))}
        </ul>
      )}
      {problems.length > 0 && unlisted > 0 && <p className="muted">and {whole(unlisted)} more</p>}
    </>
  );
}
