import { describe, expect, it } from '@jest/globals';
import { partsOf, totalOf, type UsageIteration } from './model-usage.js';

const counts = (input_tokens: number, output_tokens: number) => ({
  input_tokens,
  output_tokens,
  cache_read_input_tokens: 1,
  cache_creation_input_tokens: 2,
});
const iteration = (type: string, model: string | null, input: number, output: number): UsageIteration => ({
  type,
  model,
  ...counts(input, output),
});

describe('usage of a call', () => {
  it('is one part where no iterations are told', () => {
    expect(partsOf('a', counts(10, 7))).toEqual([{ model: 'a', counts: counts(10, 7) }]);
    expect(totalOf({ ...counts(10, 7), iterations: [] })).toEqual(counts(10, 7));
  });

  it('is the sum of its iterations, which the counts beside them leave out, each by its own model', () => {
    const usage = {
      ...counts(100, 50),
      iterations: [
        iteration('compaction', null, 1000, 20),
        iteration('message', null, 100, 50),
        iteration('advisor_message', 'b', 30, 3),
      ],
    };

    expect(partsOf('a', usage).map(({ model, counts }) => [model, counts.input_tokens])).toEqual([
      ['a', 1000],
      ['a', 100],
      ['b', 30],
    ]);
    expect(totalOf(usage)).toEqual({
      input_tokens: 1130,
      output_tokens: 73,
      cache_read_input_tokens: 3,
      cache_creation_input_tokens: 6,
    });
  });

  it('leaves out the model that refused without a word before another one answered', () => {
    const fallback = iteration('fallback_message', 'b', 412, 264);

    expect(
      partsOf('a', { ...counts(412, 264), iterations: [iteration('message', 'a', 408, 0), fallback] }),
    ).toHaveLength(1);
    expect(
      partsOf('a', { ...counts(412, 264), iterations: [iteration('message', 'a', 408, 9), fallback] }),
    ).toHaveLength(2);
    expect(partsOf('a', { ...counts(408, 0), iterations: [iteration('message', 'a', 408, 0)] })).toHaveLength(
      1,
    );
  });
});
