/** Keys in one question; a statement has a limited number of parameters. */
const MOST = 256;
/** Questions under way; what is asked meanwhile is asked together afterwards. */
const UNDER_WAY = 2;

type Asked<V> = PromiseWithResolvers<V | undefined>;

/**
 * Finds single rows for many callers in few statements: what is asked for in one turn of the loop, or while earlier
 * questions are under way, is asked together, and equal keys once. Viewers who all come back at the same moment would
 * otherwise cost some statements each. Nothing is remembered: every answer was read after it was asked for.
 */
export class Lookups<V> {
  private waiting = new Map<string, Asked<V>>();
  private isPlanned = false;
  private underWay = 0;

  /** @param ask finds what there is of the keys, by key, each given once. */
  constructor(private readonly ask: (keys: string[]) => Promise<ReadonlyMap<string, V>>) {}

  /** @returns undefined when there is none. Rejects with what `ask` rejects with. The value may be shared. */
  find(key: string): Promise<V | undefined> {
    const asked = this.waiting.get(key) ?? Promise.withResolvers<V | undefined>();
    this.waiting.set(key, asked);
    this.plan();
    return asked.promise;
  }

  get isIdle(): boolean {
    return this.waiting.size === 0 && this.underWay === 0;
  }

  private plan(): void {
    if (this.isPlanned || this.underWay >= UNDER_WAY || this.waiting.size === 0) return;
    this.isPlanned = true;
    setImmediate(() => {
      this.isPlanned = false;
      void this.answer(this.take());
      this.plan();
    });
  }

  private take(): Map<string, Asked<V>> {
    const taken = new Map([...this.waiting].slice(0, MOST));
    for (const key of taken.keys()) this.waiting.delete(key);
    return taken;
  }

  private async answer(asked: Map<string, Asked<V>>): Promise<void> {
    this.underWay += 1;
    try {
      const values = await this.ask([...asked.keys()]);
      for (const [key, { resolve }] of asked) resolve(values.get(key));
    } catch (error) {
      for (const { reject } of asked.values()) reject(error);
    }
    this.underWay -= 1;
    this.plan();
  }
}

/** Lookups of rows of many tenants, each statement of one of them alone. */
export class TenantLookups<V> {
  private readonly tenants = new Map<string, Lookups<V>>();

  constructor(private readonly ask: (tenantId: string, keys: string[]) => Promise<ReadonlyMap<string, V>>) {}

  async find(tenantId: string, key: string): Promise<V | undefined> {
    const lookups = this.tenants.get(tenantId) ?? new Lookups((keys) => this.ask(tenantId, keys));
    this.tenants.set(tenantId, lookups);
    try {
      return await lookups.find(key);
    } finally {
      if (lookups.isIdle) this.tenants.delete(tenantId);
    }
  }
}

/** The same keys, some of them again, so that statements come in few lengths: each length is prepared by itself. */
export function inFewLengths(keys: readonly string[]): string[] {
  const [first] = keys;
  if (first === undefined) return [];
  const length = 2 ** Math.ceil(Math.log2(keys.length));
  return [...keys, ...Array<string>(length - keys.length).fill(first)];
}
