import { parseArgs } from 'node:util';

export interface Shared {
  url: string | undefined;
  transport: 'sse' | 'websocket';
  lastEventId: string | undefined;
}

export type Command =
  | ({ name: 'chat'; session: string | undefined; agent: string | undefined } & Shared)
  | ({ name: 'tail'; run: string; json: boolean } & Shared)
  | { name: 'help' };

export const HELP = `agentline chat [--session <id>] [--agent <name>]   talk; Ctrl-C stops the answer, twice leaves
agentline tail <run> [--json]                      watch a run until it is over

  --last-event-id <id>   go on after this event, which was seen before
  --transport sse|websocket
  --url <address>        the server; AGENTLINE_URL, or http://127.0.0.1:3000

AGENTLINE_TOKEN holds an access token or an API key. Without it, e-mail and password are asked for.
`;

/** The command line was not understood. */
export class UsageError extends Error {}

const OPTIONS = {
  url: { type: 'string' },
  session: { type: 'string' },
  agent: { type: 'string' },
  transport: { type: 'string', default: 'sse' },
  'last-event-id': { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** @throws UsageError */
export function readArguments(args: string[]): Command {
  const { values, positionals } = parsed(args);
  const [name = 'help', ...rest] = positionals;
  if (values.help || name === 'help') return { name: 'help' };
  const { transport, url, 'last-event-id': lastEventId } = values;
  if (transport !== 'sse' && transport !== 'websocket') {
    throw new UsageError('--transport takes sse or websocket.');
  }
  const shared: Shared = { url, transport, lastEventId };
  if (name === 'chat' && rest.length === 0) {
    if (lastEventId !== undefined && values.session === undefined) {
      throw new UsageError('--last-event-id needs the --session that it is of.');
    }
    return { name, session: values.session, agent: values.agent, ...shared };
  }
  const [run, ...more] = rest;
  if (name === 'tail' && run !== undefined && more.length === 0) {
    return { name, run, json: values.json, ...shared };
  }
  throw new UsageError(name === 'tail' ? 'tail takes the id of one run.' : 'The commands are chat and tail.');
}

/** What Node says of an argument may hold its value, which may be a secret that does not belong here. */
function parsed(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    const [, option = 'An option'] = /'(--?[a-z][a-z-]*)/i.exec(String(error)) ?? [];
    throw new UsageError(`${option} is not known here, or lacks its value.`);
  }
}
