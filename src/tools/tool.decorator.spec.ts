import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { TOOL_OPTIONS, Tool } from './tool.decorator.js';
import type { ToolContext } from './tool.js';

const options = {
  name: 'weather',
  description: 'Tells the weather.',
  input: z.object({ city: z.string(), days: z.int().default(1) }),
};

class Weather {
  @Tool(options)
  now(args: { city: string; days: number }, context: ToolContext): Promise<string> {
    return Promise.resolve(`${args.city} ${args.days} ${context.runId}`);
  }

  @Tool({ ...options, name: 'weather_less' })
  less(args: { city: string }): string {
    return args.city;
  }

  @Tool({ ...options, name: 'weather_none' })
  none(): void {}

  // @ts-expect-error the schema has no `country`
  @Tool({ ...options, name: 'weather_more' })
  more(args: { city: string; country: string }): string {
    return args.country;
  }

  // @ts-expect-error the schema has a number
  @Tool({ ...options, name: 'weather_wrong' })
  wrong(args: { days: string }): string {
    return args.days;
  }

  // @ts-expect-error the second parameter is the context
  @Tool({ ...options, name: 'weather_second' })
  second(args: { city: string }, context: string): string {
    return args.city + context;
  }
}

describe('@Tool', () => {
  it('keeps its options with the method, and leaves the method as it is', async () => {
    const weather = new Weather();
    expect(Reflect.getMetadata(TOOL_OPTIONS, Reflect.get(weather, 'now') as object)).toBe(options);
    expect(await weather.now({ city: 'Bonn', days: 2 }, { runId: 'run_1' } as ToolContext)).toBe(
      'Bonn 2 run_1',
    );
  });
});
