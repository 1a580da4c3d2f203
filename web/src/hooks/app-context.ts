/** What components share: following signals, the passing of time, the address, what the browser remembers. */

import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import type { Player } from "@earcon/client";
import type { Signal } from "../live/signal.ts";
import type { Station } from "../live/workspace-store.ts";
import { parseRoute, type Route } from "../format/route.ts";

/** Everything a component may need that lives longer than it. */
export interface Surroundings {
  station: Station;
  listener: Player;
  /** The listener's state changed. */
  heard: Signal;
}

export const SurroundingsContext = createContext<Surroundings | null>(null);

export function useSurroundings(): Surroundings {
  const surroundings = useContext(SurroundingsContext);
  if (surroundings === null) {
    throw new Error("a component was drawn outside of the dashboard");
  }
  return surroundings;
}

/** Draws again whenever the signal is given. */
export function useSignal(signal: Signal): number {
  return useSyncExternalStore(signal.subscribe, () => signal.version);
}

const SECOND_LISTENERS = new Set<() => void>();
let second: ReturnType<typeof setInterval> | null = null;
let now = Date.now();

function everySecond(listener: () => void): () => void {
  SECOND_LISTENERS.add(listener);
  second ??= setInterval(() => {
    now = Date.now();
    SECOND_LISTENERS.forEach((each) => each());
  }, 1_000);
  return () => {
    SECOND_LISTENERS.delete(listener);
    if (SECOND_LISTENERS.size === 0 && second !== null) {
      clearInterval(second);
      second = null;
    }
  };
}

/** The time, to the second; one timer for the whole page. */
export function useNow(): number {
  return useSyncExternalStore(everySecond, () => (second === null ? (now = Date.now()) : now));
}

function onHash(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(onHash, () => location.hash);
  return parseRoute(hash);
}

/** A choice the browser keeps. */
export function useKept(name: string, fallback: string): [string, (value: string) => void] {
  const [value, setValue] = useState(() => recall(name) ?? fallback);
  useEffect(() => {
    try {
      localStorage.setItem(`earcon.${name}`, value);
    } catch {
      // A browser that keeps nothing still shows everything.
    }
  }, [name, value]);
  return [value, setValue];
}

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(`earcon.${name}`);
  } catch {
    return null;
  }
}
