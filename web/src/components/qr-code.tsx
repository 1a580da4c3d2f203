/** A text as a QR code for a phone. Dark on light in both themes, because scanners expect it. */

import { qrCode } from "../format/qr.ts";

/** Width of the light frame, modules. */
const QUIET = 4;

export function QrCode({ text, label }: { text: string; label: string }) {
  const code = qrCode(text);
  if (code === null) {
    return null;
  }
  const size = code.length + 2 * QUIET;
  const dark = code.flatMap((row, y) => row.map((module, x) => (module ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : "")));
  return (
    <svg className="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <rect width={size} height={size} fill="#ffffff" />
      <path d={dark.join("")} fill="#000000" />
    </svg>
  );
}
