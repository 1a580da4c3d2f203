/** Why a sign-in failed, in words. */

import { ApiError } from "@earcon/client";
import { duration } from "./time.ts";

/** @param withCode whether a code of the second factor was sent */
export function signInProblem(error: unknown, withCode: boolean): string {
  if (!(error instanceof ApiError)) {
    return "The server does not answer. Try again in a moment.";
  }
  if (error.status === 429) {
    const wait = error.retryAfterMs === null ? "a while" : duration(error.retryAfterMs);
    return `There were too many attempts. Try again in ${wait}.`;
  }
  if (error.status === 401) {
    // The server asks for a code only after the right password.
    return withCode
      ? "The code is wrong or was used before. Wait for the next one, and look whether the clock of your phone is right."
      : "The login or the password is wrong.";
  }
  return `The server says: ${error.message}`;
}
