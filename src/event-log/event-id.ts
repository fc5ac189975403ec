import { isId } from '../database/ids.js';

/** The place of an event: `<run_id>.<attempt>.<seq>`. `seq` starts at 1 and has no holes over all attempts. */
export interface EventPlace {
  runId: string;
  attempt: number;
  seq: number;
}

/** Canonical whole number from 1 to 2^31 - 1: no sign, no leading zero, no blank. */
const COUNT = /^[1-9]\d{0,9}$/;
const MAX_COUNT = 2_147_483_647;

export function formatEventId(place: EventPlace): string {
  return `${place.runId}.${place.attempt}.${place.seq}`;
}

/** Reads a cursor (`Last-Event-ID`); anything but the one canonical form is `undefined`, never a guess. */
export function parseEventId(text: string): EventPlace | undefined {
  const [runId, attempt, seq, ...rest] = text.split('.');
  if (rest.length > 0 || runId === undefined || attempt === undefined || seq === undefined) return undefined;
  if (!isId('run', runId) || !COUNT.test(attempt) || !COUNT.test(seq)) return undefined;
  if (Number(attempt) > MAX_COUNT || Number(seq) > MAX_COUNT) return undefined;
  return { runId, attempt: Number(attempt), seq: Number(seq) };
}
