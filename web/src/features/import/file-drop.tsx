/** The field that takes a file: chosen, or dropped on it. */

import { useState } from "react";

interface Props {
  disabled: boolean;
  take(file: File): void;
}

export function FileDrop({ disabled, take }: Props) {
  const [over, setOver] = useState(false);
  const takeFirst = (files: FileList | null) => {
    const file = files?.[0];
    if (file !== undefined && !disabled) {
      take(file);
    }
  };
  return (
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
        takeFirst(event.dataTransfer.files);
      }}
    >
      <span>Drop a file here, or choose one</span>
      <input
        type="file"
        accept=".csv,.gz,.xlsx,text/csv"
        disabled={disabled}
        onChange={(event) => {
          takeFirst(event.target.files);
          // Allows the same file to be chosen again.
          event.target.value = "";
        }}
      />
    </label>
  );
}
