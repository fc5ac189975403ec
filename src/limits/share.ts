/** How many parts a limit has: a node that takes one has something for a while, and the others still much. */
const PARTS = 20;
/** When little is left, a node takes at most this part of it, so the last ones go one by one. */
export const RATION = 4;

/** What a node takes of a limit at a time, to hand it out without asking again. 1: every one is asked for. */
export function shareOf(limit: number): number {
  return Math.max(1, Math.floor(limit / PARTS));
}

/** @returns what is granted of `left` to a node that needs so much now; 0 when that is not there. */
export function grantOf(left: number, need: number, share: number): number {
  if (left < need) return 0;
  return Math.max(need, Math.min(share, Math.floor(left / RATION)));
}
