/** The screens that the tests of the layout use. */

import type { BrowserContextOptions } from "playwright-core";

export const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 } };
export const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};

export const SCREENS: [string, BrowserContextOptions][] = [
  ["desktop", DESKTOP],
  ["phone", PHONE],
];
