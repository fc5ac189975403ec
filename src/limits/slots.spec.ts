import { beforeEach, describe, expect, it } from '@jest/globals';
import { grantOf } from './share.js';
import { type SharedSlots, type SlotClaim, Slots } from './slots.js';

let now = 0;
const clock = () => now;

beforeEach(() => {
  now = 0;
});

/** The table of all nodes, in memory; what a node holds stands there by its number. */
class FakeTable {
  readonly held = new Map<number, number>();
  claims = 0;
  isAway = false;

  of(node: number): SharedSlots {
    return {
      claim: async ({ limit, held, share }: SlotClaim) => {
        this.claims += 1;
        if (this.isAway) throw new Error('away');
        const others = [...this.held].reduce((sum, [other, slots]) => sum + (other === node ? 0 : slots), 0);
        const added = grantOf(limit - others - held, 1, share);
        this.held.set(node, held + added);
        return added;
      },
      keep: async (_scope, slots) => {
        if (this.isAway) throw new Error('away');
        this.held.set(node, slots);
      },
    };
  }

  get total(): number {
    return [...this.held.values()].reduce((sum, slots) => sum + slots, 0);
  }
}

const takeMany = async (slots: Slots, limit: number, times: number) =>
  (await Promise.all(Array.from({ length: times }, () => slots.take('a', limit)))).filter(Boolean).length;

describe('slots of one process', () => {
  it('are taken up to the limit, given back, and forgotten when nobody has one', async () => {
    const slots = new Slots(clock);
    expect(await takeMany(slots, 3, 5)).toBe(3);
    slots.giveBack('a');
    expect(await takeMany(slots, 3, 5)).toBe(1);
    for (let n = 0; n < 3; n += 1) slots.giveBack('a');
    expect(slots.size).toBe(0);
  });
});

describe('slots that nodes share', () => {
  it('are exact for a small limit, and there for others soon after they are given back', async () => {
    const table = new FakeTable();
    const [one, other] = [new Slots(clock, table.of(1)), new Slots(clock, table.of(2))];
    const taken = await Promise.all([takeMany(one, 7, 20), takeMany(other, 7, 20)]);
    expect(taken[0] + taken[1]).toBe(7);

    for (let n = 0; n < taken[0]; n += 1) one.giveBack('a');
    await one.settle();
    now += 1_000;
    expect(await takeMany(other, 7, 20)).toBe(taken[0]);
  });

  it('of a large limit are claimed by the share, kept for a while, and given back in the end', async () => {
    const table = new FakeTable();
    const slots = new Slots(clock, table.of(1));
    expect(await takeMany(slots, 2_000, 250)).toBe(250);
    expect(table.claims).toBe(3);

    for (let n = 0; n < 250; n += 1) slots.giveBack('a');
    await slots.settle();
    expect(table.total).toBe(99);
    now += 10_000;
    await slots.settle();
    expect([table.total, slots.size]).toEqual([0, 0]);
  });

  it('are not asked for again at once where there are none', async () => {
    const table = new FakeTable();
    table.held.set(2, 5);
    const slots = new Slots(clock, table.of(1));
    expect(await takeMany(slots, 5, 50)).toBe(0);
    expect(table.claims).toBe(1);

    now += 1_000;
    table.held.set(2, 4);
    expect(await takeMany(slots, 5, 1)).toBe(1);
  });

  it('while the table is away are counted by each node alone, and written down when it is back', async () => {
    const table = new FakeTable();
    const told: unknown[] = [];
    const slots = new Slots(clock, table.of(1), (error) => told.push(error));
    table.isAway = true;
    expect(await takeMany(slots, 5, 10)).toBe(5);
    expect(told[0]).toEqual(new Error('away'));

    table.isAway = false;
    await slots.settle();
    expect(table.total).toBe(5);
  });

  it('are written down again while a claim that was given up may still come through', async () => {
    const table = new FakeTable();
    const shared = table.of(1);
    const slots = new Slots(clock, {
      ...shared,
      claim: () => Promise.reject(new Error('takes too long')),
    });
    expect(await takeMany(slots, 5, 1)).toBe(1);
    await slots.settle();
    table.held.set(1, 4); // It has come through.

    now += 5_000;
    await slots.settle();
    expect(table.total).toBe(1);
  });

  it('are written down anew for who was taken for dead', async () => {
    const table = new FakeTable();
    const slots = new Slots(clock, table.of(1));
    await takeMany(slots, 5, 3);
    table.held.clear();

    await slots.restore();
    expect(table.total).toBe(3);
  });

  it('never exceed the limit together, however many come and go', async () => {
    const table = new FakeTable();
    const nodes = [1, 2, 3].map((node) => ({ slots: new Slots(clock, table.of(node)), open: 0 }));
    let seed = 11;
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    let most = 0;

    for (let n = 0; n < 5_000; n += 1) {
      now += random() * 400;
      await Promise.all(
        nodes.map(async (node) => {
          if (random() < 0.55) {
            if (await node.slots.take('a', 60)) node.open += 1;
          } else if (node.open > 0) {
            node.open -= 1;
            node.slots.giveBack('a');
          }
          if (random() < 0.1) await node.slots.settle();
        }),
      );
      most = Math.max(most, nodes[0]!.open + nodes[1]!.open + nodes[2]!.open);
    }

    expect(most).toBeLessThanOrEqual(60);
    expect(most).toBeGreaterThan(50);
  });
});
