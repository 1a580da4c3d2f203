/** Colours of the style sheet, for drawings on canvas. */

import { Signal } from "../live/signal.ts";

export interface Palette {
  ink: string;
  muted: string;
  grid: string;
  line: string;
  band: string;
  accent: string;
  alarm: string;
  alarmWash: string;
  /** For several series in one chart. */
  series: string[];
}

export type Theme = "auto" | "light" | "dark";

/** The colours changed, so that drawings must be repeated. */
export const coloursChanged = new Signal();

const DARK = matchMedia("(prefers-color-scheme: dark)");
let chosen: Theme = "auto";
let cached: Palette | null = null;

DARK.addEventListener("change", () => applyTheme(chosen));

/** `auto` follows the system setting, also when it changes later. */
export function applyTheme(theme: Theme): void {
  chosen = theme;
  const dark = theme === "dark" || (theme === "auto" && DARK.matches);
  document.documentElement.dataset["theme"] = dark ? "dark" : "light";
  cached = null;
  coloursChanged.emit();
}

export function palette(): Palette {
  cached ??= read();
  return cached;
}

function read(): Palette {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: colour("ink"),
    muted: colour("muted"),
    grid: colour("hairline"),
    line: colour("line"),
    band: colour("band"),
    accent: colour("accent"),
    alarm: colour("alarm"),
    alarmWash: colour("alarm-wash"),
    series: ["line", "accent", "third", "fourth", "fifth", "sixth"].map(colour),
  };
}
