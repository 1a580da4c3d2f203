/** Imports a file: choosing it, how the server understands it, progress and result. */

import { useEffect, useRef, useState } from "react";
import { useAppContext } from "../../hooks/app-context.ts";
import { useSessionStore } from "../../hooks/session-context.ts";
import { FileDrop } from "./file-drop.tsx";
import { PreviewPanel } from "./preview-panel.tsx";
import { Progress } from "./progress.tsx";
import { type ImportOptions, type Upload, upload, uploadAddress, type UploadState } from "./upload.ts";

export function ImportPage() {
  const { store } = useAppContext();
  const session = useSessionStore();
  const [file, setFile] = useState<File | null>(null);
  const [state, setState] = useState<UploadState>({ phase: "idle" });
  const request = useRef<Upload | null>(null);
  useEffect(() => () => request.current?.stop(), []);
  const busy = state.phase === "sending" || state.phase === "reading";
  const choose = (chosen: File) => {
    setState({ phase: "idle" });
    setFile(chosen);
  };
  const send = (chosen: File, options: ImportOptions) => {
    setFile(null);
    request.current = upload(chosen, uploadAddress(store.api.workspace, chosen.name, options), session.headers(), setState);
  };
  return (
    <section className="import" aria-labelledby="import-title">
      <h1 id="import-title">Import a file</h1>
      <p>
        CSV with a header, or an Excel workbook (its first sheet). One column is the time; every other column of numbers
        becomes a KPI, or the columns <code>kpi</code> and <code>value</code> name one in each row. Nothing is imported
        before you have seen how the file is read.
      </p>
      {file === null ? (
        <FileDrop disabled={busy} take={choose} />
      ) : (
        <PreviewPanel file={file} accept={(options) => send(file, options)} cancel={() => setFile(null)} />
      )}
      <div role="status">
        <Progress state={state} stop={() => request.current?.stop()} />
      </div>
    </section>
  );
}
