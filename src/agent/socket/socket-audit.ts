import type { IncomingMessage } from 'node:http';
import type { AuditLog, Client, Details, Outcome } from '../../audit/audit-entry.js';
import { clientOf } from '../../audit/client-of.js';
import { noteOf } from '../../audit/notes.js';
import { safeText } from '../../audit/safe-text.js';
import type { AppError } from '../../errors/app-error.js';
import { ERROR_CODES, type ErrorCode } from '../../errors/error-codes.js';
import type { AgentSocket } from './agent-socket.js';
import type { SocketMessage, SocketReply } from './socket-inbox.js';

/** What a message does, by the names of the same calls over HTTP. */
const ACTIONS: Record<string, string> = {
  start: 'run.start',
  cancel: 'run.cancel',
  decide: 'tool_call.decide',
  subscribe: 'stream.read',
};
/** Changes nothing: the audit has only what was refused of it. */
const READS = new Set(['subscribe']);
const REFUSALS = new Set([401, 403, 404, 429]);
const OVER = { transport: 'websocket' };
const NOBODY: Client = { address: null, userAgent: null, requestId: null };

/** What people do on sockets, for the audit: like over HTTP, ids and codes only. */
export class SocketAudit {
  private readonly clients = new WeakMap<AgentSocket, Client>();

  constructor(private readonly audit: AuditLog) {}

  /** A handshake was refused for who it is from; not for how it was written. */
  refused(request: IncomingMessage, error: AppError, requestId: string): void {
    if (!REFUSALS.has(error.status) && error.code !== 'mixed_credentials') return;
    const { actor = null } = noteOf(request);
    const what = { action: 'socket.open', target: null, details: null, code: error.code };
    this.audit.record({ actor, client: clientOf(request, requestId), ...what, outcome: 'refused' }, true);
  }

  opened(socket: AgentSocket, request: IncomingMessage): void {
    this.clients.set(socket, clientOf(request));
  }

  /** @param reply undefined when the message was rejected. */
  answered(
    socket: AgentSocket,
    event: string,
    { data, refusal }: SocketMessage,
    reply: SocketReply | undefined,
  ): void {
    const action = ACTIONS[event];
    if (action === undefined) return;
    const code = reply === undefined ? (refusal ?? 'internal') : null;
    const outcome = outcomeOf(code);
    if (READS.has(event) && (code === null || !REFUSALS.has(ERROR_CODES[code].status))) return;
    const { target, details } = reply === undefined ? asked(data) : done(reply.data);
    const client = this.clients.get(socket) ?? NOBODY;
    const entry = { actor: socket.principal, client, action, target, outcome, code };
    this.audit.record({ ...entry, details: { ...details, ...OVER } }, outcome === 'refused');
  }
}

function outcomeOf(code: ErrorCode | null): Outcome {
  if (code === null) return 'allowed';
  return ERROR_CODES[code].status < 500 ? 'refused' : 'failed';
}

/** Of an answer: a started run, a receipt, a decision. */
function done(data: unknown): { target: string | null; details: Details } {
  const run = field(data, 'run');
  if (run !== undefined) return { target: text(run, 'id'), details: some(run, 'session_id') };
  return { target: text(data, 'run_id'), details: some(data, 'tool_call_id', 'tool', 'decision') };
}

function asked(data: unknown): { target: string | null; details: Details } {
  return { target: text(data, 'run_id') ?? text(data, 'session_id'), details: some(data, 'tool_call_id') };
}

function some(data: unknown, ...names: string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = text(data, name);
      return value === null ? [] : [[name, value]];
    }),
  );
}

function text(data: unknown, name: string): string | null {
  const value = field(data, name);
  return typeof value === 'string' ? safeText(value, 128) : null;
}

function field(data: unknown, name: string): unknown {
  return typeof data === 'object' && data !== null ? (Reflect.get(data, name) as unknown) : undefined;
}
