/** Scrolls to the item that the address names. */

import { useEffect, useRef } from "react";

export function useShown(selected: boolean): React.RefObject<HTMLLIElement | null> {
  const item = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (selected) {
      item.current?.scrollIntoView({ block: "center" });
    }
  }, [selected]);
  return item;
}
