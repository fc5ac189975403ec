import { appendFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { z } from 'zod';
import { AppModule } from '../../../dist/app.module.js';
import { serve } from '../../../dist/serve.js';
import { Tool } from '../../../dist/tools/tool.decorator.js';

/** The built server with tools that do what tools should not, and one whose effects can be counted. */
const HUGE = Buffer.alloc(100 * 1024 * 1024, 'x');
const HUGE_TEXT = HUGE.toString('latin1');

class RudeTools {
  /** Its effects are lines of a file. */
  async note({ text }) {
    appendFileSync(process.env.EFFECTS_FILE, `${text}\n`);
    return 'noted';
  }

  /** The same, once a person has allowed it. */
  async sign({ text }) {
    return this.note({ text });
  }

  async forget() {
    void Promise.reject(new Error('a promise that the tool forgot'));
    await delay(50);
    return 'never mind';
  }

  hang() {
    return new Promise(() => undefined);
  }

  throw() {
    throw new Error('secret of the tool');
  }

  async rejectWithNothing() {
    throw undefined;
  }

  hugeText() {
    return HUGE_TEXT;
  }

  hugeBinary() {
    return HUGE;
  }

  hugeList() {
    return Array.from({ length: 1_000_000 }, (_, n) => ({ n, text: 'x'.repeat(80) }));
  }

  cyclic() {
    const value = { name: 'a snake' };
    value.self = value;
    return value;
  }
}

const none = z.object({});
const tools = {
  note: { name: 'note', input: z.object({ text: z.string() }) },
  sign: { name: 'sign', input: z.object({ text: z.string() }), approval: 'always' },
  forget: { name: 'forget', input: none },
  hang: { name: 'hang', input: none },
  throw: { name: 'throw', input: none },
  rejectWithNothing: { name: 'reject_with_nothing', input: none },
  hugeText: { name: 'huge_text', input: none },
  hugeBinary: { name: 'huge_binary', input: none },
  hugeList: { name: 'huge_list', input: none },
  cyclic: { name: 'cyclic', input: none },
};
for (const [method, options] of Object.entries(tools)) {
  const descriptor = Object.getOwnPropertyDescriptor(RudeTools.prototype, method);
  Tool({ description: 'For tests of faults.', ...options })(RudeTools.prototype, method, descriptor);
}

class RudeModule {}
Module({ providers: [RudeTools] })(RudeModule);

// `serve` serves AppModule: the tests' module is one import more of it, as in the recipe of CONTRIBUTING.md.
const imports = Reflect.getMetadata('imports', AppModule);
Reflect.defineMetadata('imports', [...imports, RudeModule], AppModule);
await serve();
