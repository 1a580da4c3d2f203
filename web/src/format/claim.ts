/** Links that are claimed once: that of the first owner, and invitations. */

import { ApiError } from "@earcon/client";

/** What a secret is for. null: it is neither. */
export function claimKind(secret: string): "owner" | "invitation" | null {
  return /^eo_\w+$/.test(secret) ? "owner" : /^ei_\w+$/.test(secret) ? "invitation" : null;
}

/** Why a claim failed, in words. */
export function claimProblem(error: unknown): string {
  if (!(error instanceof ApiError)) {
    return "The server does not answer. Try again in a moment.";
  }
  if ([401, 403, 404, 410].includes(error.status)) {
    return "This link does not work any more: it was used, withdrawn or has expired, or a part of it is missing. Ask for a new one.";
  }
  return `The server says: ${error.message}`;
}
