import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { belongings } from '../security/belongings.js';
import { beyond } from '../security/beyond.js';
import { bodies } from '../security/bodies.js';
import { credentials } from '../security/credentials.js';
import { crossSite } from '../security/cross-site.js';
import { cursors } from '../security/cursors.js';
import { requests } from '../security/requests.js';
import { sockets } from '../security/sockets.js';
import { stage } from '../security/stage.js';

/**
 * The rows of the list of security cases (S) and bad inputs (B), against one running server. Rows that need a real
 * process, time or a browser are elsewhere: `test/security/rows.ts` says where.
 */
beforeAll(() => stage.open());
afterAll(() => stage.close());

crossSite();
credentials();
belongings();
requests();
cursors();
bodies();
sockets();
beyond();

describe('all the while', () => {
  it('a run of somebody else went on, and its viewer has the whole list', async () => {
    const { events, faults, same } = await stage.endWitness();
    expect([faults, same]).toEqual([[], true]);
    expect(events).toBeGreaterThan(20);
  });

  it('the event loop was never held up for long', () => {
    process.stdout.write(
      `longest delay of the loop, clients included: ${Math.round(stage.longestDelayMs)} ms\n`,
    );
    expect(stage.longestDelayMs).toBeLessThan(2_000);
  });
});
