/** Why the server refused a change, in words. */

import { ApiError } from "@earcon/client";
import type { Member } from "../../live/accounts-api.ts";

/** Rethrows the answer to a change of a member. */
export function memberProblem({ user }: Member): (error: unknown) => never {
  return (error) => {
    if (error instanceof ApiError && error.status === 409) {
      throw new Error(
        `${user.name} is the last owner. An organisation always has one: make another member an owner first.`,
      );
    }
    throw error;
  };
}
