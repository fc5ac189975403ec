import * as fc from 'fast-check';
import { SCRIPT_NAMES } from './scripts.js';
import { FAULTS, type Fault, type Link } from './virtual-node.js';
import { BUS_MANNERS, type BusManner } from './virtual-notices.js';

/** One thing that happens. `node`, `session`, `run` and `viewer` are taken modulo what there is. */
export type Step =
  | { do: 'start'; node: number; session: number; script: string; twice: boolean }
  | { do: 'view'; node: number; run: number }
  | { do: 'cut'; viewer: number }
  | { do: 'return'; node: number; viewer: number }
  | { do: 'cancel'; node: number; run: number }
  | { do: 'decide'; node: number; call: number; decision: 'approve' | 'deny' }
  | { do: 'trim'; run: number }
  | { do: 'crash' | 'boot' | 'pause' | 'resume' | 'drain'; node: number }
  | { do: 'fault'; node: number; kind: Fault; calls: number }
  | { do: 'link'; node: number; link: Link }
  | { do: 'notices'; manner: BusManner }
  | { do: 'wait'; ms: number };

export interface Story {
  steps: Step[];
  /** Seed of all delays. */
  delays: number;
}

const node = fc.nat({ max: 2 });
const some = fc.nat({ max: 5 });

const start: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('start' as const),
  node,
  session: fc.nat({ max: 1 }),
  script: fc.constantFrom(...SCRIPT_NAMES),
  twice: fc.boolean(),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: start },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('view' as const), node, run: some }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), viewer: some }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('return' as const), node, viewer: some }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), node, run: some }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('decide' as const),
      node,
      call: some,
      decision: fc.constantFrom('approve' as const, 'approve' as const, 'deny' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), run: some }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'crash' as const,
        'boot' as const,
        'pause' as const,
        'resume' as const,
        'drain' as const,
      ),
      node,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      node,
      kind: fc.constantFrom<Fault>('slow request', 'slow request', ...FAULTS),
      calls: fc.nat({ max: 12 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('link' as const),
      node,
      link: fc.constantFrom<Link>('up', 'refusing', 'silent'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('notices' as const),
      manner: fc.constantFrom(...BUS_MANNERS),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(10, 40, 150, 700, 3_500),
    }),
  },
);

/** A run that has just begun meets trouble where it is worked on, long enough for somebody else to take it. */
const trouble: fc.Arbitrary<Step[]> = fc
  .record({
    node,
    session: fc.nat({ max: 1 }),
    script: fc.constantFrom(...SCRIPT_NAMES),
    before: fc.constantFrom(100, 300, 700, 1_500),
    what: fc.constantFrom('pause' as const, 'crash' as const, 'refusing' as const, 'silent' as const),
    after: fc.constantFrom(700, 3_500, 4_500),
  })
  .map(({ node: at, session, script, before, what, after }): Step[] => {
    const isLink = what === 'refusing' || what === 'silent';
    const over = what === 'pause' ? 'resume' : 'boot';
    return [
      { do: 'start', node: at, session, script, twice: false },
      { do: 'wait', ms: before },
      isLink ? { do: 'link', node: at, link: what } : { do: what, node: at },
      { do: 'wait', ms: after },
      isLink ? { do: 'link', node: at, link: 'up' } : { do: over, node: at },
    ];
  });

/** A run asks for a decision, and a person decides when something has gone wrong, or while it does. */
const request: fc.Arbitrary<Step[]> = fc
  .record({
    node,
    other: node,
    session: fc.nat({ max: 1 }),
    before: fc.constantFrom(40, 150, 300, 700, 1_500),
    what: fc.oneof(step, fc.constant<Step>({ do: 'wait', ms: 10 })),
    call: fc.nat({ max: 1 }),
    decision: fc.constantFrom('approve' as const, 'approve' as const, 'deny' as const),
    after: fc.constantFrom(1, 10, 40, 700),
  })
  .map(({ node: at, other, session, before, what, call, decision, after }): Step[] => [
    { do: 'start', node: at, session, script: 'sign', twice: false },
    { do: 'wait', ms: before },
    what,
    { do: 'decide', node: other, call, decision },
    { do: 'wait', ms: after },
  ]);

const one = (each: fc.Arbitrary<Step>): fc.Arbitrary<Step[]> => each.map((only) => [only]);

export const story: fc.Arbitrary<Story> = fc.record({
  steps: fc
    .tuple(
      fc.array(one(start), { minLength: 1, maxLength: 2 }),
      fc.array(
        fc.oneof(
          { weight: 6, arbitrary: one(step) },
          { weight: 1, arbitrary: trouble },
          { weight: 1, arbitrary: request },
        ),
        {
          maxLength: 9,
          size: 'max',
        },
      ),
    )
    .map((parts) => parts.flat(2)),
  delays: fc.nat(),
});
