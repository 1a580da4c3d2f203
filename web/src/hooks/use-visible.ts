/** Whether an element is on the screen. All elements share one observer. */

import { useEffect, useState } from "react";

const CALLBACKS = new WeakMap<Element, (visible: boolean) => void>();

const OBSERVER = new IntersectionObserver(
  (entries) => entries.forEach((entry) => CALLBACKS.get(entry.target)?.(entry.isIntersecting)),
  // Elements just outside the screen count as visible, so that scrolling shows no gaps.
  { rootMargin: "200px" },
);

export function useVisible(element: React.RefObject<Element | null>): boolean {
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    const observed = element.current;
    if (observed === null) {
      return;
    }
    CALLBACKS.set(observed, setVisible);
    OBSERVER.observe(observed);
    return () => {
      OBSERVER.unobserve(observed);
      CALLBACKS.delete(observed);
    };
  }, [element]);
  return visible;
}
