import { z } from 'zod';

export const runDiff = z
  .object({
    run_id: z.string(),
    files: z.array(
      z.object({
        path: z.string(),
        status: z.enum(['added', 'modified', 'deleted']),
        diff: z.string().nullable().describe('Unified diff; null when the answer would get too long.'),
        changed_since: z
          .boolean()
          .describe('The file is not as the run left it: the run cannot be reverted.'),
      }),
    ),
  })
  .meta({ id: 'RunDiff' });
export type RunDiff = z.output<typeof runDiff>;

export const runRevert = z
  .object({
    run_id: z.string(),
    files: z.array(
      z.object({
        path: z.string(),
        status: z.enum(['restored', 'removed']).describe('removed: the file did not exist before the run.'),
      }),
    ),
  })
  .meta({ id: 'RunRevert' });
export type RunRevert = z.output<typeof runRevert>;
