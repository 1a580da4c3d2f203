/** Times in fields of forms, in the time zone of the reader: `2026-01-02T12:05`. */

/** @param at milliseconds since the Unix epoch. Absent: no time */
export function toLocal(at: number | undefined): string {
  if (at === undefined) {
    return "";
  }
  const time = new Date(at);
  const two = (part: number) => String(part).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day}T${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** Milliseconds since the Unix epoch. null: the field is empty. */
export function fromLocal(text: string): number | null {
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at;
}
