/** Settings kept in the browser's local storage. */

import { useEffect, useState } from "react";

export function useStored(name: string, fallback: string): [string, (value: string) => void] {
  const [value, setValue] = useState(() => readStored(name) ?? fallback);
  useEffect(() => {
    try {
      localStorage.setItem(`earcon.${name}`, value);
    } catch {
      // Without storage the setting lasts until the page is closed.
    }
  }, [name, value]);
  return [value, setValue];
}

export function readStored(name: string): string | null {
  try {
    return localStorage.getItem(`earcon.${name}`);
  } catch {
    return null;
  }
}
