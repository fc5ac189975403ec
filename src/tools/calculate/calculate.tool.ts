import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Tool } from '../tool.decorator.js';
import { MAX_EXPRESSION_LENGTH, calculate } from './calculator.js';

const input = z.strictObject({
  expression: z
    .string()
    .min(1)
    .max(MAX_EXPRESSION_LENGTH)
    .describe(
      'Such as (1 + 2) * 3 ^ 2, sqrt(2), 5!, min(3, 4) or 7 > 6. Angles are in radians, ln and log are natural.',
    ),
});

@Injectable()
export class CalculateTool {
  @Tool({
    name: 'calculate',
    description:
      'Calculates an arithmetic expression in 64-bit floating point. Use it for every calculation beyond the trivial. ' +
      'Returns the number, or true or false for a comparison.',
    input,
    idempotent: true,
  })
  calculate({ expression }: z.output<typeof input>): { result: number | boolean } {
    return { result: calculate(expression) };
  }
}
