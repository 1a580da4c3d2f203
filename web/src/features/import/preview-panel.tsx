/** How the server understands a file, what can be said about it, and whether to import it. */

import { useEffect, useRef, useState } from "react";
import { askedFor, refusalWords } from "../../format/import.ts";
import { FileOptions } from "./file-options.tsx";
import { PreviewFacts } from "./preview-facts.tsx";
import { type ImportOptions, NO_OPTIONS } from "./upload.ts";
import { usePreview } from "./use-preview.ts";

interface Props {
  file: File;
  accept(options: ImportOptions): void;
  cancel(): void;
}

export function PreviewPanel({ file, accept, cancel }: Props) {
  const [options, setOptions] = useState(NO_OPTIONS);
  const { preview, refusal, busy } = usePreview(file, options);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), [file]);
  const asked = refusal === null ? null : askedFor(refusal);
  return (
    <section className="preview" aria-labelledby="preview-title" aria-busy={busy} data-testid="preview">
      <h2 id="preview-title" ref={heading} tabIndex={-1}>
        {file.name}
      </h2>
      {refusal !== null && (
        <p className="notice" role="alert">
          This file cannot be imported as it is: {refusalWords(refusal)}.{asked !== null && " Choose it below."}
        </p>
      )}
      <FileOptions options={options} asked={asked} change={(change) => setOptions({ ...options, ...change })} />
      {preview !== null && <PreviewFacts preview={preview} workbook={file.name.toLowerCase().endsWith(".xlsx")} />}
      <p className="actions">
        <button type="button" className="primary" disabled={busy || preview === null} onClick={() => accept(options)}>
          Import
        </button>
        <button type="button" onClick={cancel}>
          Cancel
        </button>
        {busy && <span className="muted">reading the first rows…</span>}
      </p>
    </section>
  );
}
