import { describe, expect, it } from '@jest/globals';
import { type HeldLease, LeaseKeeper } from './lease-keeper.js';
import type { RenewedLease } from './lease.repository.js';

const LEASE_MS = 9_000;
const THIRD = LEASE_MS / 3;

/** A keeper whose clock and database the test moves. */
class Bench {
  now = 1_000;
  private leases: HeldLease[] = ['a', 'b'].map((id) => ({ id, leasedAt: 1_000 }));
  readonly asked: string[][] = [];
  readonly told: string[] = [];
  private answer: () => Promise<RenewedLease[]> = async () => this.all();
  private readonly keeper = new LeaseKeeper(LEASE_MS, {
    renew: (ids) => {
      this.asked.push(ids);
      return this.answer();
    },
    held: () => [...this.leases],
    onLost: (id) => this.told.push(`lost ${id}`),
    onCancelRequested: (id) => this.told.push(`cancel ${id}`),
    onError: (error) => this.told.push(String(error)),
    now: () => this.now,
  });

  constructor() {
    this.keeper.start();
    this.keeper.stop();
  }

  set held(ids: string[]) {
    this.leases = this.leases.filter(({ id }) => ids.includes(id));
  }

  /** A run that was claimed a while ago, and of which the answer comes only now. */
  begin(id: string, leasedAt: number): void {
    this.leases.push({ id, leasedAt });
  }

  all(): RenewedLease[] {
    return this.leases.map(({ id }) => ({ id, cancelRequested: false }));
  }

  answers(answer: () => Promise<RenewedLease[]>): void {
    this.answer = answer;
  }

  /** The timer fires this many milliseconds later. */
  tick(after = THIRD): Promise<void> {
    this.now += after;
    return this.keeper.tick();
  }
}

const failure = async (): Promise<RenewedLease[]> => {
  throw new Error('no database');
};

describe('the keeper of leases', () => {
  it('renews what this process holds, and asks for nothing when that is nothing', async () => {
    const bench = new Bench();
    await bench.tick();
    bench.held = [];
    await bench.tick();

    expect(bench.asked).toEqual([['a', 'b']]);
    expect(bench.told).toEqual([]);
  });

  it('says what is lost and what shall be cancelled', async () => {
    const bench = new Bench();
    bench.answers(async () => [{ id: 'b', cancelRequested: true }]);
    await bench.tick();

    expect(bench.told).toEqual(['lost a', 'cancel b']);
  });

  it('says nothing of a run that ended while it asked', async () => {
    const bench = new Bench();
    bench.answers(async () => {
      bench.held = ['b'];
      return bench.all();
    });
    await bench.tick();

    expect(bench.told).toEqual([]);
  });

  it('bears one failure', async () => {
    const bench = new Bench();
    bench.answers(failure);
    await bench.tick();
    bench.answers(async () => bench.all());
    await bench.tick();
    await bench.tick();

    expect(bench.told).toEqual(['Error: no database']);
    expect(bench.asked).toHaveLength(3);
  });

  it('gives everything up after two failures, before the leases end', async () => {
    const bench = new Bench();
    bench.answers(failure);
    await bench.tick();
    await bench.tick();

    expect(bench.told).toEqual(['Error: no database', 'Error: no database', 'lost a', 'lost b']);
    expect(bench.now).toBeLessThan(1_000 + LEASE_MS);
  });

  it('gives everything up when an answer does not come, before the leases end, and asks no second time', async () => {
    const bench = new Bench();
    bench.answers(() => new Promise(() => undefined));
    void bench.tick();
    await bench.tick();

    expect(bench.told).toEqual(['lost a', 'lost b']);
    expect(bench.asked).toHaveLength(1);
    expect(bench.now).toBeLessThan(1_000 + LEASE_MS);
  });

  it('asks again for the runs of later when an answer never came', async () => {
    const bench = new Bench();
    bench.answers(() => new Promise(() => undefined));
    void bench.tick();
    await bench.tick();
    bench.held = [];
    bench.begin('c', bench.now);
    bench.told.length = 0;
    bench.answers(async () => bench.all());
    await bench.tick(LEASE_MS);
    await bench.tick();

    expect(bench.told).toEqual([]);
    expect(bench.asked.slice(1)).toEqual([['c'], ['c']]);
  });

  it('counts from when it asked, not from when it was answered', async () => {
    const bench = new Bench();
    bench.answers(async () => {
      bench.now += THIRD - 1;
      return bench.all();
    });
    await bench.tick();
    bench.answers(failure);
    await bench.tick(THIRD);

    expect(bench.told).toEqual(['Error: no database', 'lost a', 'lost b']);
  });

  it('goes on after the process stood still, when the database says that nobody has taken the runs', async () => {
    const bench = new Bench();
    await bench.tick(LEASE_MS * 5);

    expect(bench.told).toEqual([]);
    expect(bench.asked).toHaveLength(1);
  });

  it('gives everything up at once when the process stood still and the database is away too', async () => {
    const bench = new Bench();
    bench.answers(failure);
    await bench.tick(LEASE_MS - 1);

    expect(bench.told).toEqual(['Error: no database', 'lost a', 'lost b']);
  });

  it('does not hold a time without runs against the next run', async () => {
    const bench = new Bench();
    bench.held = [];
    for (let tick = 0; tick < 5; tick += 1) await bench.tick();
    bench.begin('c', bench.now);
    bench.answers(failure);
    await bench.tick();

    expect(bench.told).toEqual(['Error: no database']);
  });

  it('counts a lease from when it was asked for, not from when the run began', async () => {
    const bench = new Bench();
    await bench.tick();
    bench.begin('c', bench.now - THIRD);
    bench.answers(failure);
    await bench.tick();

    expect(bench.told).toEqual(['Error: no database', 'lost c']);
  });

  it('fires by itself at a third of the lease, and not after it is stopped', async () => {
    const renewed = Promise.withResolvers<void>();
    let renewals = 0;
    const keeper = new LeaseKeeper(3, {
      renew: async (ids) => {
        renewals += 1;
        renewed.resolve();
        return ids.map((id) => ({ id, cancelRequested: false }));
      },
      held: () => [{ id: 'a', leasedAt: performance.now() }],
      onLost: () => undefined,
      onCancelRequested: () => undefined,
      onError: () => undefined,
      now: () => performance.now(),
    });
    keeper.start();
    await renewed.promise;
    keeper.stop();

    expect(renewals).toBe(1);
  });
});
