import { describe, expect, it } from '@jest/globals';
import { inFewLengths, Lookups, TenantLookups } from './lookups.js';

/** A table of rows, and what it was asked for. */
function table(rows: Record<string, string>) {
  const asked: string[][] = [];
  const answers: PromiseWithResolvers<void>[] = [];
  let isHeld = false;
  const ask = async (keys: string[]) => {
    asked.push(keys);
    const answer = Promise.withResolvers<void>();
    answers.push(answer);
    if (isHeld) await answer.promise;
    return new Map(keys.flatMap((key) => (rows[key] === undefined ? [] : [[key, rows[key]] as const])));
  };
  return { asked, answers, ask, hold: () => (isHeld = true) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('lookups', () => {
  it('of one turn are one question, equal ones once, each with its own answer', async () => {
    const { asked, ask } = table({ a: 'A', b: 'B' });
    const lookups = new Lookups(ask);
    const found = await Promise.all(['a', 'b', 'a', 'none'].map((key) => lookups.find(key)));
    expect(found).toEqual(['A', 'B', 'A', undefined]);
    expect(asked).toEqual([['a', 'b', 'none']]);
  });

  it('are asked again when they are asked for again: nothing is remembered', async () => {
    const rows: Record<string, string> = { a: 'A' };
    const { asked, ask } = table(rows);
    const lookups = new Lookups(ask);
    await lookups.find('a');
    rows.a = 'changed';
    expect(await lookups.find('a')).toBe('changed');
    expect(asked).toEqual([['a'], ['a']]);
  });

  it('that come after a question has been asked do not get its answer', async () => {
    const rows: Record<string, string> = { a: 'A' };
    const { asked, answers, ask, hold } = table(rows);
    hold();
    const lookups = new Lookups(ask);
    const first = lookups.find('a');
    await turn();
    expect(asked).toHaveLength(1);
    const second = lookups.find('a');
    await turn();
    expect(asked).toHaveLength(2);
    answers[0]!.resolve();
    answers[1]!.resolve();
    expect(await Promise.all([first, second])).toEqual(['A', 'A']);
  });

  it('wait while two questions are under way, and are one question then', async () => {
    const { asked, answers, ask, hold } = table({ a: 'A', b: 'B', c: 'C', d: 'D' });
    hold();
    const lookups = new Lookups(ask);
    const found: Promise<string | undefined>[] = [];
    for (const key of ['a', 'b', 'c', 'd']) {
      found.push(lookups.find(key));
      await turn();
    }
    expect(asked).toEqual([['a'], ['b']]);
    answers[0]!.resolve();
    await turn();
    await turn();
    expect(asked.slice(2)).toEqual([['c', 'd']]);
    for (const { resolve } of answers) resolve();
    expect(await Promise.all(found)).toEqual(['A', 'B', 'C', 'D']);
  });

  it('fail with their question, and the next ones do not', async () => {
    let isAway = true;
    const lookups = new Lookups<string>(async (keys) => {
      if (isAway) throw new Error('away');
      return new Map(keys.map((key) => [key, key]));
    });
    const failed = await Promise.allSettled(['a', 'b'].map((key) => lookups.find(key)));
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    isAway = false;
    expect(await lookups.find('a')).toBe('a');
  });

  it('of more than 256 keys are several questions', async () => {
    const { asked, ask } = table({});
    const lookups = new Lookups(ask);
    await Promise.all(Array.from({ length: 600 }, (_, index) => lookups.find(String(index))));
    expect(asked.map(({ length }) => length)).toEqual([256, 256, 88]);
  });
});

it('lookups of two tenants never share a question, nor an answer', async () => {
  const asked: [string, string[]][] = [];
  const lookups = new TenantLookups<string>(async (tenant, keys) => {
    asked.push([tenant, keys]);
    return new Map(keys.map((key) => [key, `${key} of ${tenant}`]));
  });
  const found = await Promise.all([
    lookups.find('one', 'a'),
    lookups.find('other', 'a'),
    lookups.find('one', 'b'),
  ]);
  expect(found).toEqual(['a of one', 'a of other', 'b of one']);
  expect(asked).toEqual([
    ['one', ['a', 'b']],
    ['other', ['a']],
  ]);
});

it('keys come in few lengths, so that few statements are prepared', () => {
  const lengths = [0, 1, 2, 3, 5, 200].map((length) => inFewLengths(Array<string>(length).fill('a')).length);
  expect(lengths).toEqual([0, 1, 2, 4, 8, 256]);
  expect(inFewLengths(['a', 'b', 'c'])).toEqual(['a', 'b', 'c', 'a']);
});
