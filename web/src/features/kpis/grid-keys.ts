/** Moves the focus between cards with the arrow keys. */

import type { KeyboardEvent } from "react";

/** Focuses the nearest card in the direction of the pressed arrow key. */
export function moveFocus(event: KeyboardEvent<HTMLUListElement>): void {
  const here = document.activeElement;
  const cards = [...event.currentTarget.querySelectorAll<HTMLElement>("a.card")];
  const at = cards.findIndex((card) => card === here);
  if (at < 0) {
    return;
  }
  const there = neighbour(cards, at, event.key);
  if (there !== undefined) {
    event.preventDefault();
    there.focus();
    there.scrollIntoView({ block: "nearest" });
  }
}

function neighbour(cards: HTMLElement[], at: number, key: string): HTMLElement | undefined {
  switch (key) {
    case "ArrowRight":
      return cards[at + 1];
    case "ArrowLeft":
      return cards[at - 1];
    case "Home":
      return cards[0];
    case "End":
      return cards[cards.length - 1];
    case "ArrowDown":
    case "ArrowUp": {
      const columns = cards.filter((card) => top(card) === top(cards[0])).length;
      return cards[key === "ArrowDown" ? at + columns : at - columns];
    }
    default:
      return undefined;
  }
}

function top(card: HTMLElement | undefined): number {
  return Math.round(card?.getBoundingClientRect().top ?? 0);
}
