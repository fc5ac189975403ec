import type { AppError } from '../../errors/app-error.js';
import type { Principal } from '../principal.js';
import type { Ground } from './ground.js';

/** Keys in one question. */
const CHUNK = 500;

/** A principal for which something is open. */
export interface Watched {
  readonly principal: Principal;
  /** Grows from one to the next. */
  readonly order: number;
  /** Told that its credentials have ended. */
  readonly end: (reason: AppError) => void;
}

let orders = 0;

export function nextOrder(): number {
  orders += 1;
  return orders;
}

/** Who stands on one ground, by what it is found: however many streams a login has, it is one key. */
export class Watchers {
  private readonly groups = new Map<string, Set<Watched>>();

  constructor(private readonly ground: Ground) {}

  add(entry: Watched): void {
    const key = this.ground.keyOf(entry.principal);
    if (key === undefined) return;
    const group = this.groups.get(key);
    if (group === undefined) this.groups.set(key, new Set([entry]));
    else group.add(entry);
  }

  delete(entry: Watched): void {
    const key = this.ground.keyOf(entry.principal);
    const group = key === undefined ? undefined : this.groups.get(key);
    if (key === undefined || group === undefined) return;
    group.delete(entry);
    if (group.size === 0) this.groups.delete(key);
  }

  of(key: string): Watched[] {
    return [...(this.groups.get(key) ?? [])];
  }

  /**
   * Those whose credentials have ended by what is stored now, a portion of the keys at a time.
   * @throws after all portions, what went wrong with one that could not be judged: it must not keep the others.
   */
  async *ended(): AsyncGenerator<Watched[]> {
    const keys = [...this.groups.keys()];
    const failures: unknown[] = [];
    for (let i = 0; i < keys.length; i += CHUNK) {
      const portion = keys.slice(i, i + CHUNK);
      // Who comes while the question is asked may know better than the answer.
      const next = nextOrder();
      const hasEnded = await this.ground.ask(portion);
      const ended: Watched[] = [];
      // Not copied: one user may have ten thousand streams, and is asked about every two seconds.
      for (const key of portion) {
        for (const entry of this.groups.get(key) ?? []) {
          try {
            if (entry.order < next && hasEnded(entry.principal)) ended.push(entry);
          } catch (error) {
            failures.push(error);
          }
        }
      }
      yield ended;
    }
    if (failures.length > 0) throw failures[0];
  }
}
