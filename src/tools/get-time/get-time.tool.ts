import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { ToolError } from '../tool-error.js';
import { Tool } from '../tool.decorator.js';
import { zonedTime } from './zoned-time.js';

const input = z.strictObject({
  timezone: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('IANA time zone, such as Europe/Berlin. UTC when not given.'),
});

@Injectable()
export class GetTimeTool {
  @Tool({
    name: 'get_time',
    description:
      'Gives the current date and time of a time zone. Use it whenever an answer depends on now. ' +
      'Returns the local time with its offset from UTC (RFC 3339) and the time zone.',
    input,
    idempotent: true,
  })
  now({ timezone = 'UTC' }: z.output<typeof input>): { time: string; timezone: string } {
    try {
      return { time: zonedTime(new Date(), timezone), timezone };
    } catch (cause) {
      throw new ToolError(`There is no time zone "${timezone}". Use an IANA name such as Europe/Berlin.`, {
        cause,
      });
    }
  }
}
