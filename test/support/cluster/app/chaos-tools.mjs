import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { Tool } from '../../../../dist/tools/tool.decorator.js';

const MEGABYTE = 1024 * 1024;

/** Tools whose effects can be counted from outside, and tools that do what no tool should. */
export class ChaosTools {
  /** Repeating it would do harm. */
  async takeEffect(_args, context) {
    return report('take_effect', context, context.signal);
  }

  /** The same, once a person has allowed it. */
  async takeAllowedEffect(_args, context) {
    return report('take_allowed_effect', context, context.signal);
  }

  async takeEffectAgain(_args, context) {
    return report('take_effect_again', context, context.signal);
  }

  /** Waits for its effect and hears nothing meanwhile. */
  async ignoreAbort(_args, context) {
    return report('ignore_abort', context, undefined);
  }

  async eatMemory(_args, context) {
    await report('eat_memory', context, context.signal);
    const eaten = [];
    for (;;) {
      eaten.push(Array.from({ length: MEGABYTE }, (_, n) => n * Math.PI));
      await delay(1);
    }
  }

  async blockLoop({ milliseconds }, context) {
    await report('block_loop', context, context.signal);
    const end = performance.now() + milliseconds;
    while (performance.now() < end);
    return { blocked: milliseconds };
  }

  async strayRejection(_args, context) {
    const answer = await report('stray_rejection', context, context.signal);
    void Promise.reject(new Error('a promise that the tool forgot'));
    await delay(1);
    return answer;
  }
}

const none = z.object({});
const tools = [
  ['takeEffect', { name: 'take_effect', input: none }],
  ['takeAllowedEffect', { name: 'take_allowed_effect', input: none, approval: 'always' }],
  ['takeEffectAgain', { name: 'take_effect_again', input: none, idempotent: true }],
  ['ignoreAbort', { name: 'ignore_abort', input: none }],
  ['eatMemory', { name: 'eat_memory', input: none }],
  ['blockLoop', { name: 'block_loop', input: z.object({ milliseconds: z.number() }), idempotent: true }],
  ['strayRejection', { name: 'stray_rejection', input: none }],
];
for (const [method, options] of tools) {
  const descriptor = Object.getOwnPropertyDescriptor(ChaosTools.prototype, method);
  Tool({ description: 'For tests of the cluster.', ...options })(ChaosTools.prototype, method, descriptor);
}

/** The effect: a call of the test's own server, which counts it and answers when the test wants. */
async function report(tool, { runId, toolCallId, idempotencyKey }, signal) {
  const body = JSON.stringify({ tool, runId, toolCallId, idempotencyKey, node: process.env.NODE_NAME });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(process.env.EFFECTS_URL, { method: 'POST', body, headers, signal });
  return answer.json();
}
