/** Imports a file: choosing it, progress and result. */

import { useEffect, useRef, useState } from "react";
import { type ImportLine, importSummary } from "../../format/import.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useLink } from "../../hooks/use-link.ts";
import { upload, uploadAddress, type UploadState } from "./upload.ts";

export function ImportPage() {
  const { store } = useAppContext();
  const [state, setState] = useState<UploadState>({ phase: "idle" });
  const [kpi, setKpi] = useState("");
  const [history, setHistory] = useState(true);
  const [over, setOver] = useState(false);
  const request = useRef<XMLHttpRequest | null>(null);
  useEffect(() => () => request.current?.abort(), []);
  const busy = state.phase === "sending" || state.phase === "reading";
  const send = (file: File | undefined) => {
    if (file !== undefined && !busy) {
      request.current = upload(file, uploadAddress(store.api.workspace, file.name, kpi.trim(), history), setState);
    }
  };
  return (
    <section className="import" aria-labelledby="import-title">
      <h1 id="import-title">Import a file</h1>
      <p>
        CSV with a header, or an Excel workbook (its first sheet). One column is the time; every other column of numbers
        becomes a KPI, or the columns <code>kpi</code> and <code>value</code> name one in each row.
      </p>
      <label
        className={`drop${over ? " is-over" : ""}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          send(event.dataTransfer.files[0]);
        }}
      >
        <span>Drop a file here, or choose one</span>
        <input
          type="file"
          accept=".csv,.xlsx,text/csv"
          disabled={busy}
          onChange={(event) => {
            send(event.target.files?.[0]);
            // Allows the same file to be chosen again.
            event.target.value = "";
          }}
        />
      </label>
      <div className="choices">
        <label>
          KPI <input value={kpi} disabled={busy} placeholder="from the file" onChange={(event) => setKpi(event.target.value)} />
        </label>
        <label>
          <input type="checkbox" checked={history} disabled={busy} onChange={(event) => setHistory(event.target.checked)} />{" "}
          Import as history: learn from it without alerts
        </label>
      </div>
      <div role="status">
        <Progress state={state} stop={() => request.current?.abort()} />
      </div>
    </section>
  );
}

function Progress({ state, stop }: { state: UploadState; stop: () => void }) {
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
  return (
    <>
      <p>
        <strong>{name}</strong>: {importSummary(line)} <a href={link({ page: "grid" })}>See the KPIs</a>
      </p>
      {line.error !== undefined && <p role="alert">The import ended early: {line.error}</p>}
      {line.warning !== undefined && <p>{line.warning}</p>}
      {problems.length > 0 && (
        <ul className="problems">
          {problems.map((problem, at) => (
            <li key={at}>{problem}</li>
          ))}
        </ul>
      )}
    </>
  );
}
