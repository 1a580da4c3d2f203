/** Which elements are on the screen: one observer for the whole page. */

const CALLBACKS = new WeakMap<Element, (visible: boolean) => void>();

const OBSERVER = new IntersectionObserver(
  (entries) => entries.forEach((entry) => CALLBACKS.get(entry.target)?.(entry.isIntersecting)),
  // A little ahead of the scrolling.
  { rootMargin: "200px" },
);

/** Tells when the element comes on the screen or leaves it, until the answer is called. */
export function observe(element: Element, callback: (visible: boolean) => void): () => void {
  CALLBACKS.set(element, callback);
  OBSERVER.observe(element);
  return () => {
    OBSERVER.unobserve(element);
    CALLBACKS.delete(element);
  };
}
