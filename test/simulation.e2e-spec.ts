import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import * as timers from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import * as fc from 'fast-check';
import { Random } from './support/random.js';
import type { SharedStore } from './support/simulation/shared-store.js';
import type { Story } from './support/simulation/story.js';
import { VirtualClock, virtualDelay } from './support/simulation/virtual-clock.js';

// The runtime's clock in its other form: time is the only thing that the product is lied to about.
jest.unstable_mockModule('node:timers/promises', () => ({ ...timers, setTimeout: virtualDelay }));

/** `SEED` tells the same stories again, `STORIES` tells more of them. */
const STORIES = Number(process.env['STORIES'] ?? 1_000);
const SEED = Number(process.env['SEED'] ?? process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);

describe('three nodes on one store', () => {
  const clock = new VirtualClock();
  const total = {
    stories: 0,
    runs: 0,
    events: 0,
    crashes: 0,
    takeovers: 0,
    refused: 0,
    resets: 0,
    trims: 0,
    decisions: 0,
  };
  let store: SharedStore;
  let faultsIn: (told: Story) => Promise<string[]>;

  beforeAll(async () => {
    Logger.overrideLogger(false);
    const { SharedStore } = await import('./support/simulation/shared-store.js');
    const { StoryTeller } = await import('./support/simulation/story-teller.js');
    const { faultsOf } = await import('./support/simulation/verdict.js');
    store = new SharedStore(clock);
    await store.open();

    faultsIn = async (told) => {
      store.empty();
      clock.reset();
      const chance = new Random(told.delays);
      const uninstall = clock.install(() => chance.between(0, 999) / 1_000);
      try {
        const teller = new StoryTeller(store, clock, told);
        const world = await teller.tell(told.steps);
        total.stories += 1;
        total.runs += world.runs.length;
        total.events += world.model.events;
        total.crashes += world.counts.crashes;
        total.takeovers += world.model.takeovers;
        total.refused += world.counts.refused;
        total.resets += world.counts.resets;
        total.trims += world.counts.trims;
        total.decisions += world.counts.decisions;
        return await faultsOf(world, teller.healedAt);
      } finally {
        uninstall();
      }
    };
  });

  afterAll(async () => {
    const { stories, runs, events, crashes, takeovers, refused, resets, trims, decisions } = total;
    process.stdout.write(
      `simulation: ${stories} stories, ${runs} runs, ${events} events, ${crashes} crashes, ${takeovers} takeovers, ` +
        `${refused} refused stale writes, ${trims} trimmed logs, ${resets} viewers reset, ` +
        `${decisions} decisions, SEED=${SEED}\n`,
    );
    await store.close();
  });

  it(`lose nothing, show nothing twice and end every run, in ${STORIES} stories of crashes, cuts and delays`, async () => {
    const { KEPT_STORIES } = await import('./support/simulation/kept-stories.js');
    const { story } = await import('./support/simulation/story.js');
    const property = fc.asyncProperty(story, async (told) => {
      expect(await faultsIn(told)).toEqual([]);
    });
    // A counterexample is printed as it goes into the list of kept stories.
    const examples = KEPT_STORIES.map((kept): [Story] => [kept]);
    await fc.assert(property, { numRuns: STORIES + examples.length, seed: SEED, examples });
  }, 300_000);
});
