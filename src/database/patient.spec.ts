import { describe, expect, it } from '@jest/globals';
import { AppError } from '../errors/app-error.js';
import { patient } from './patient.js';

/** A store that fails with these errors, one after the other, and then answers. */
class Store {
  readonly said: string[] = [];

  constructor(private readonly errors: Error[]) {}

  async save(text: string): Promise<string> {
    this.said.push(text);
    const error = this.errors.shift();
    if (error !== undefined) throw error;
    return `saved ${text}`;
  }
}

const away = () => new AppError('unavailable', 'away');

describe('a patient store', () => {
  it('is asked again while it is away, after longer and longer pauses', async () => {
    const pauses: number[] = [];
    const store = new Store([away(), away(), away(), away(), away()]);

    const answer = await patient(store, 10_000, async (pause) => pauses.push(pause)).save('a');

    expect(answer).toBe('saved a');
    expect(store.said).toEqual(['a', 'a', 'a', 'a', 'a', 'a']);
    expect(pauses).toEqual([50, 100, 200, 400, 500]);
  });

  it('is not waited for longer than told', async () => {
    const store = new Store(Array.from({ length: 100 }, away));
    let waited = 0;

    const answer = patient(store, 1_000, async (pause) => (waited += pause)).save('a');

    await expect(answer).rejects.toMatchObject({ code: 'unavailable' });
    expect(waited).toBe(1250);
  });

  it('is not asked again after another error', async () => {
    const store = new Store([new AppError('fenced', 'no')]);

    await expect(patient(store, 1_000, async () => {}).save('a')).rejects.toMatchObject({ code: 'fenced' });
    expect(store.said).toEqual(['a']);
  });
});
