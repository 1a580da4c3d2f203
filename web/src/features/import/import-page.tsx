/** Importing a file: drop it, watch how far it is, read what became of it. */

import { useEffect, useRef, useState } from "react";
import { newestLine, outcome, uploadAddress, type ImportLine } from "../../format/import.ts";
import { useSurroundings } from "../../hooks/app-context.ts";

type State =
  | { phase: "idle" }
  | { phase: "sending"; name: string; share: number }
  | { phase: "reading"; name: string; line: ImportLine | null }
  | { phase: "done"; name: string; line: ImportLine }
  | { phase: "failed"; name: string; why: string };

export function ImportPage() {
  const { station } = useSurroundings();
  const [state, setState] = useState<State>({ phase: "idle" });
  const [kpi, setKpi] = useState("");
  const [history, setHistory] = useState(true);
  const [over, setOver] = useState(false);
  const request = useRef<XMLHttpRequest | null>(null);
  useEffect(() => () => request.current?.abort(), []);
  const busy = state.phase === "sending" || state.phase === "reading";
  const send = (file: File | undefined) => {
    if (file !== undefined && !busy) {
      request.current = upload(file, uploadAddress(station.api.workspace, file.name, kpi.trim(), history), setState);
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
            // The same file may be chosen again.
            event.target.value = "";
          }}
        />
      </label>
      <div className="choices">
        <label>
          KPI <input value={kpi} disabled={busy} placeholder="as the file says" onChange={(event) => setKpi(event.target.value)} />
        </label>
        <label>
          <input type="checkbox" checked={history} disabled={busy} onChange={(event) => setHistory(event.target.checked)} />{" "}
          This is history: learn from it, alert nobody
        </label>
      </div>
      <div role="status">
        <Progress state={state} stop={() => request.current?.abort()} />
      </div>
    </section>
  );
}

function Progress({ state, stop }: { state: State; stop: () => void }) {
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
            <>{state.line === null ? "reading…" : outcome(state.line)} </>
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
  const problems = line.problems ?? [];
  return (
    <>
      <p>
        <strong>{name}</strong>: {outcome(line)} <a href="#/">See the KPIs</a>
      </p>
      {line.error !== undefined && <p role="alert">It ended early: {line.error}</p>}
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

/** Sends the file. Unlike `fetch`, this tells how much of it has been sent. */
function upload(file: File, address: string, tell: (state: State) => void): XMLHttpRequest {
  const { name } = file;
  const request = new XMLHttpRequest();
  const fail = (why: string) => tell({ phase: "failed", name, why });
  request.open("POST", address);
  request.setRequestHeader("content-type", file.type === "" ? "application/octet-stream" : file.type);
  request.upload.onprogress = (event) => tell({ phase: "sending", name, share: event.loaded / Math.max(1, event.total) });
  request.upload.onload = () => tell({ phase: "reading", name, line: null });
  request.onprogress = () => {
    if (request.status === 200) {
      tell({ phase: "reading", name, line: newestLine(request.responseText) });
    }
  };
  request.onload = () => {
    const line = request.status === 200 ? newestLine(request.responseText) : null;
    if (line?.done === true) {
      tell({ phase: "done", name, line });
    } else {
      fail(request.status === 200 ? "the answer broke off" : words(request.responseText));
    }
  };
  request.onerror = () => fail("the server does not answer");
  request.onabort = () => fail("it was stopped; what was taken until then stays");
  tell({ phase: "sending", name, share: 0 });
  request.send(file);
  return request;
}

/** What a problem document says. */
function words(text: string): string {
  try {
    const problem = JSON.parse(text) as { detail?: string; title?: string };
    return problem.detail ?? problem.title ?? text;
  } catch {
    return text;
  }
}
