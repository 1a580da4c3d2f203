/** Finds totals that are sent as gauges. */

/** Points that are needed to tell. */
const LEAST = 30;
/** The part of the steps that must grow. */
const GROWING = 0.5;
/** A value below this part of the one before is a total that began again. */
const RESET = 0.5;

/**
 * Whether the values look like a total that only grows. Growth alone is not enough, because levels
 * grow too: the total has begun again at least once, or the name says that it is one.
 */
export function looksLikeCounter(kpi: string, values: readonly number[]): boolean {
  if (values.length < LEAST || values.some((value) => !(value >= 0))) {
    return false;
  }
  let grown = 0;
  let resets = 0;
  for (let i = 1; i < values.length; i += 1) {
    const [before, value] = [values[i - 1] ?? 0, values[i] ?? 0];
    if (value > before) {
      grown += 1;
    } else if (value < before * RESET) {
      resets += 1;
    } else if (value < before) {
      return false;
    }
  }
  const named = /[._](total|count)$/.test(kpi);
  return grown >= (values.length - 1) * GROWING && resets * 10 <= grown && (named || resets > 0);
}
