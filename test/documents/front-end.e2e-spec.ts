import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contentOf, fileOf } from './pages/block-kind.js';
import { describePage } from './pages/describe-page.js';
import { blocksOfPage, pageText } from './pages/page-blocks.js';
import { tokenFor } from '../support/api.js';
import { ROOT } from '../support/build.js';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { ServerProcess } from '../support/server-process.js';
import { TEST_ENV, upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';

describePage('front-end');

interface Schema {
  properties: Record<string, unknown>;
}

describe('the events of docs/front-end.md', () => {
  const { components } = JSON.parse(readFileSync(join(ROOT, 'openapi.json'), 'utf8')) as {
    components: { schemas: Record<string, Schema> };
  };
  const rows = [...pageText('front-end').matchAll(/^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|/gm)].map(
    ([, event = '', fields = '']) => [event, fields.replaceAll('`', '').split(', ')] as const,
  );

  it('are those that the server describes, with all their fields', () => {
    const described = Object.entries(components.schemas).flatMap(([name, { properties }]) => {
      const [, event] = /^(\w+)EventData$/.exec(name) ?? [];
      if (event === undefined || event === 'Stream') return [];
      const said = event.replaceAll(/(?<=.)[A-Z]/g, '_$&').toLowerCase();
      return [[said, Object.keys(properties).toSorted()] as const];
    });
    const sorted = rows.map(([event, fields]) => [event, fields.toSorted()] as const);
    expect(new Map(sorted)).toEqual(new Map(described));
    expect(rows).toHaveLength(9);
  });
});

/** A page's chat, as `useChat` gives it to a component. */
interface PageChat {
  status: string;
  messages: { role: string; parts: { type: string; text?: string }[] }[];
  sendMessage(message: object): Promise<void>;
}

/**
 * What `@ai-sdk/react` does, without React: a chat of these options, from the package `ai` of that version. `resume`
 * is an effect of a component, and test/clients tries it.
 */
const STAND_IN = `
import { AbstractChat } from 'ai';
class Chat extends AbstractChat {}
export function useChat({ resume, ...init }) {
  const state = {
    status: 'ready', error: undefined, messages: [],
    pushMessage: (message) => (state.messages = [...state.messages, message]),
    popMessage: () => (state.messages = state.messages.slice(0, -1)),
    replaceMessage: (index, message) => (state.messages = state.messages.with(index, structuredClone(message))),
    snapshot: (value) => structuredClone(value),
  };
  return new Chat({ ...init, state });
}`;

describe('use-agent.js of docs/front-end.md', () => {
  let upstream: FakeUpstream;
  let server: ServerProcess;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'agentline-page-'));
    upstream = await FakeUpstream.start(() => ({ sse: textReply(['Hello ', 'there.']) }));
    server = await ServerProcess.start({ env: upstreamEnv(upstream.url) });
  });

  afterAll(async () => {
    await server?.stop();
    await upstream?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(['ai5', 'ai6', 'ai7'])('streams an answer with %s', async (version) => {
    const { useAgent } = await loaded(version);
    const token = await tokenFor(server.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD);
    const chat = useAgent(`chat-${version}`, server.url, { Authorization: `Bearer ${token}` });
    await chat.sendMessage({ text: 'Hello' });
    await until('the chat to be idle', () => chat.status === 'ready');
    const parts = chat.messages.at(-1)?.parts ?? [];
    expect(parts.map(({ text = '' }) => text).join('')).toBe('Hello there.');
  });

  /** The file of the page, its two imports answered here. */
  async function loaded(version: string) {
    const block = blocksOfPage('front-end').find((one) => fileOf(one) === 'use-agent.js')!;
    const sdk = pathToFileURL(join(ROOT, 'node_modules', version, 'dist/index.js')).href;
    const here = (text: string, standIn: string) =>
      text.replace(`'@ai-sdk/react'`, `'${standIn}'`).replace(`'ai'`, `'${sdk}'`);
    writeFileSync(join(folder, `react-${version}.mjs`), here(STAND_IN, ''));
    const file = join(folder, `use-${version}.mjs`);
    const text = here(contentOf(block), `./react-${version}.mjs`);
    // As the page says: version 5 has no approvals.
    const approvals = /, lastAssistant\w+(?= })|^ +sendAutomaticallyWhen.*\n/gm;
    writeFileSync(file, version === 'ai5' ? text.replaceAll(approvals, '') : text);
    return (await import(file)) as { useAgent: (id: string, server: string, headers: object) => PageChat };
  }
});
