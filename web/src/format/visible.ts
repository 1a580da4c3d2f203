/** Texts from outside, made safe beside other texts. */

/** Control characters, and marks that reorder the text around them (UAX #9). */
// eslint-disable-next-line no-control-regex
const MARKS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** The text with escapes such as `\u202e` for such characters, as the command line writes them. */
export function visible(text: string): string {
  return text.replace(MARKS, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
