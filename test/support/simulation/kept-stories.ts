import type { Step, Story } from './story.js';

const start = (node: number, script: string, twice = false, session = 0): Step => ({
  do: 'start',
  node,
  session,
  script,
  twice,
});
const wait = (ms: number): Step => ({ do: 'wait', ms });

/** Stories that once went wrong, made as small as they get; they are told before all others. */
export const KEPT_STORIES: Story[] = [
  // Cut off from the store, a node went on with a run that another had taken.
  { delays: 1, steps: [start(0, 'long'), wait(700), { do: 'link', node: 0, link: 'refusing' }, wait(4_500)] },
  { delays: 1, steps: [start(0, 'long'), wait(700), { do: 'link', node: 0, link: 'silent' }, wait(4_500)] },
  // Notices are lost, and nobody is told: a cancellation is found by a renewal, new events by a look.
  {
    delays: 1,
    steps: [
      { do: 'notices', manner: 'mute' },
      start(0, 'long'),
      wait(150),
      { do: 'cancel', node: 1, run: 0 },
      { do: 'view', node: 2, run: 0 },
      wait(6_000),
    ],
  },
  {
    delays: 1,
    steps: [
      { do: 'notices', manner: 'mute' },
      start(0, 'long'),
      wait(150),
      { do: 'view', node: 1, run: 0 },
      wait(15_000),
    ],
  },
  // The log of a run that was cancelled after its maker had died began with `done`.
  {
    delays: 1,
    steps: [
      { do: 'fault', node: 0, kind: 'crash after', calls: 0 },
      start(0, 'talk'),
      wait(40),
      { do: 'cancel', node: 1, run: 0 },
    ],
  },
  // Two nodes made the same log again, one over the other.
  {
    delays: 399_826_626,
    steps: [
      start(0, 'talk', true),
      wait(3_500),
      { do: 'trim', run: 0 },
      { do: 'view', node: 0, run: 0 },
      { do: 'return', node: 1, viewer: 0 },
      wait(150),
    ],
  },
  // An end whose answer was lost was said again after the log had it.
  {
    delays: 922_786_523,
    steps: [
      start(1, 'talk', true, 1),
      wait(380),
      start(0, 'talk', true, 1),
      { do: 'fault', node: 1, kind: 'late effect', calls: 10 },
      wait(120),
    ],
  },
  // Who took a run over could not see what was shown, and was to cancel it: calls and results came twice.
  {
    delays: 763839940,
    steps: [
      start(0, 'sign'),
      start(1, 'talk'),
      start(0, 'talk', false, 1),
      wait(100),
      { do: 'pause', node: 0 },
      wait(4_500),
      { do: 'resume', node: 0 },
      { do: 'link', node: 1, link: 'silent' },
      { do: 'cancel', node: 0, run: 5 },
      start(0, 'talk'),
      wait(100),
      { do: 'link', node: 0, link: 'silent' },
      wait(700),
      { do: 'link', node: 0, link: 'up' },
    ],
  },
  {
    delays: 1867293975,
    steps: [start(2, 'talk'), wait(700), { do: 'trim', run: 0 }],
  },
];
