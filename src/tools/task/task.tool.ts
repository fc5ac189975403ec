import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import type { SubAgentResult, ToolContext } from '../tool.js';
import { Tool } from '../tool.decorator.js';
import { ToolError } from '../tool-error.js';

const HOUR_MS = 3_600_000;

const input = z.strictObject({
  prompt: z
    .string()
    .min(1)
    .max(200_000)
    .describe(
      'The whole task: the agent knows nothing of this conversation. Name files, limits and what it shall report.',
    ),
  agent: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('Who works on it: general (when left out), explore, plan or another agent of this server.'),
  description: z.string().max(200).optional().describe('The task in a few words, for people who watch.'),
});

@Injectable()
export class TaskTool {
  @Tool({
    name: 'task',
    description:
      'Has another agent work on a task of its own and waits for its report. Use it for work that can be described ' +
      'completely and of which only the outcome matters: a search through much material, or one of several parts that ' +
      'do not depend on each other; several calls in one answer run at the same time. general may use all tools, ' +
      'explore only reads, plan reads and works out how to do something. Do small things yourself. ' +
      'Returns run_id, status and text, which is what the agent said last.',
    input,
    // The call finds the agent that it has started before.
    idempotent: true,
    // The run's own time ends it earlier.
    timeoutMs: HOUR_MS,
  })
  async start(
    { prompt, agent, description: title }: z.output<typeof input>,
    { startAgent }: ToolContext,
  ): Promise<{ run_id: string; status: string; text: string }> {
    const result = await startAgent({ prompt, agent, title });
    if (result.status !== 'completed') throw new ToolError(complaintOf(result));
    return { run_id: result.runId, status: result.status, text: result.text };
  }
}

function complaintOf({ runId, status, text, error }: SubAgentResult): string {
  const why =
    status === 'failed' ? `The agent failed: ${error ?? 'it did not say why.'}` : 'The agent was cancelled.';
  const said = text === '' ? '' : `\nIt said last: ${text}`;
  return `${why} (${runId})${said}`;
}
