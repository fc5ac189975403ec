import { describe, expect, it } from '@jest/globals';
import { ToolError } from '../tool-error.js';
import type { SubAgentRequest, SubAgentResult, ToolContext } from '../tool.js';
import { TaskTool } from './task.tool.js';

const requests: SubAgentRequest[] = [];

function answering(result: SubAgentResult): ToolContext {
  return {
    startAgent: async (request: SubAgentRequest) => {
      requests.push(request);
      return result;
    },
  } as ToolContext;
}

describe('task', () => {
  it('hands the task to an agent and gives its report', async () => {
    const context = answering({ runId: 'run_1', status: 'completed', text: 'Found it.' });
    const asked = { prompt: 'Find it', agent: 'explore', description: 'finding' };
    expect(await new TaskTool().start(asked, context)).toEqual({
      run_id: 'run_1',
      status: 'completed',
      text: 'Found it.',
    });
    expect(requests).toEqual([{ prompt: 'Find it', agent: 'explore', title: 'finding' }]);
  });

  it.each<[SubAgentResult, string]>([
    [
      { runId: 'run_1', status: 'failed', text: 'Half.', error: 'The model is overloaded.' },
      'The agent failed: The model is overloaded. (run_1)\nIt said last: Half.',
    ],
    [{ runId: 'run_1', status: 'cancelled', text: '' }, 'The agent was cancelled. (run_1)'],
  ])('tells the model why there is no report', async (result, message) => {
    const asked = new TaskTool().start({ prompt: 'Find it' }, answering(result));
    await expect(asked).rejects.toEqual(new ToolError(message));
  });
});
