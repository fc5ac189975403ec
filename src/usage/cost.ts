/** What calls of models cost: the known part in millionths of a USD, and whether that is all of it. */
export interface Cost {
  microUsd: number;
  isKnown: boolean;
}

export const NO_COST: Cost = { microUsd: 0, isKnown: true };

/** @param microUsd null: the price is not known, and so is no sum with it. */
export function addCost(total: Cost, microUsd: number | null): Cost {
  return { microUsd: total.microUsd + (microUsd ?? 0), isKnown: total.isKnown && microUsd !== null };
}

/** As clients see it: USD, or null, never 0, where a price is not known. */
export function toUsd({ microUsd, isKnown }: Cost): number | null {
  return isKnown ? microUsd / 1_000_000 : null;
}

/** The cost that was told as `usd`; where it was told as not known, what `before` has of it stays. */
export function fromUsd(usd: number | null, before: Cost): Cost {
  return usd === null
    ? { microUsd: before.microUsd, isKnown: false }
    : { microUsd: Math.round(usd * 1_000_000), isKnown: true };
}
