/** A list that is loaded: the items, or that it is loading, or why it failed. */

import type { ReactNode } from "react";
import type { Listing } from "../hooks/use-listing.ts";

interface Props<T> {
  /** What the list has, such as `Members`. */
  title: string;
  listing: Listing<T>;
  children(items: T): ReactNode;
}

export function Loaded<T>({ title, listing, children }: Props<T>) {
  const { items, problem, reload } = listing;
  return (
    <>
      {problem !== null && (
        <p className="notice" role="alert">
          {title} could not be loaded: {problem}{" "}
          <button type="button" className="quiet" onClick={reload}>
            Try again
          </button>
        </p>
      )}
      {items === null ? problem === null && <p aria-busy="true">Loading…</p> : children(items)}
    </>
  );
}
