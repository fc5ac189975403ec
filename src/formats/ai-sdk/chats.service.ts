import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AgentService } from '../../agent/agent.service.js';
import { noteTarget } from '../../audit/notes.js';
import type { Owner, Principal } from '../../auth/principal.js';
import { isId } from '../../database/ids.js';
import { AppError, hasCode } from '../../errors/app-error.js';
import { isOpen, type Run } from '../../runs/run.js';
import { RunRepository } from '../../runs/run.repository.js';
import { AuditedDecisions, type CallDecision } from '../audited-decisions.service.js';
import type { Exchange } from '../stream-response.service.js';
import { Threads } from '../threads.service.js';
import { answeredCalls } from './answered-calls.js';
import { ChatAnswers } from './chat-answers.service.js';
import { type ChatRequest, type LastMessage, lastMessage } from './requests.js';
import type { Dialect } from './ui-chunk.js';
import { userContent } from './user-content.js';

/**
 * How long an answer that is whole is told again, in milliseconds. A page that was cut off asks for all of it, as it
 * cannot say what it has; one that opens an old conversation has it already.
 */
const RESUMABLE_MS = 3_600_000;

/** Chats of `useChat`: sessions under a name of the client's, whose runs are told as messages of the AI SDK. */
@Injectable()
export class Chats {
  constructor(
    private readonly agent: AgentService,
    private readonly records: RunRepository,
    private readonly threads: Threads,
    private readonly answers: ChatAnswers,
    private readonly decisions: AuditedDecisions,
  ) {}

  /** Answers what the client posted: its user's message, or decisions on the calls of a run that waits. */
  async post(exchange: Exchange, request: ChatRequest, dialect: Dialect): Promise<void> {
    const last = readLast(request);
    await this.answers.admit(exchange);
    if (last.role === 'assistant') return this.goOn(exchange, request, last, dialect);
    const run = await this.start(exchange.principal, request, last);
    noteTarget(exchange.request, run.id, run.sessionId);
    return this.answers.send(exchange, run, dialect);
  }

  /** Answers with the latest message, whole; 204 when there is none to be told again. */
  async resume(exchange: Exchange, chatId: string, dialect: Dialect): Promise<void> {
    const { principal, response } = exchange;
    if (principal.via === 'ticket') {
      throw new AppError('unauthenticated', 'Tickets open streams and sockets of sessions, not of chats.');
    }
    const sessionId = await this.find(principal, chatId);
    const run = sessionId === undefined ? undefined : await this.records.findLatest(principal, sessionId);
    if (run === undefined || !isToldAgain(run, dialect)) {
      response.status(204).end();
      return;
    }
    await this.answers.admit(exchange);
    return this.answers.send(exchange, run, dialect);
  }

  /** Ends what is being answered in the chat. @returns the runs that were open. @throws AppError `not_found` */
  async stop(owner: Owner, chatId: string): Promise<string[]> {
    const sessionId = await this.find(owner, chatId);
    if (sessionId === undefined) throw new AppError('not_found', 'There is no such chat.');
    const open = await this.records.listOpen(owner, sessionId);
    for (const { id } of open.toReversed()) await this.agent.cancel(owner, id);
    return open.map(({ id }) => id);
  }

  /** The same message of the user's starts one run, however often it is posted; asked for anew, it starts another. */
  private async start(
    principal: Principal,
    request: ChatRequest,
    { id, parts }: LastMessage & { role: 'user' },
  ): Promise<Run> {
    const content = userContent(parts);
    const { agent, when_busy: whenBusy, on_disconnect: onDisconnect } = request;
    const sessionId = await this.threads.open(principal, { kind: 'ai-sdk', clientId: request.id });
    const again =
      request.trigger === 'regenerate-message' ? await this.replaced(principal, request, sessionId) : null;
    const start = { sessionId, content, agent, whenBusy, onDisconnect };
    const idempotencyKey = createHash('sha256')
      .update(JSON.stringify([id, again, start]))
      .digest('hex');
    return this.agent.start(principal, { ...start, idempotencyKey: `ai-sdk ${idempotencyKey}` });
  }

  /** The answer in whose place another is wanted: asked for twice in its place, it is one. */
  private async replaced(owner: Owner, { messageId }: ChatRequest, sessionId: string): Promise<string> {
    return messageId ?? (await this.records.findLatest(owner, sessionId))?.id ?? '';
  }

  private async goOn(
    exchange: Exchange,
    request: ChatRequest,
    { id, parts }: LastMessage & { role: 'assistant' },
    dialect: Dialect,
  ): Promise<void> {
    const { principal } = exchange;
    const { decisions, open } = answeredCalls(parts, request.approvals);
    const sessionId = await this.find(principal, request.id);
    const run = sessionId === undefined ? undefined : await this.answered(principal, sessionId, id);
    if (run === undefined || open.size === 0) {
      throw new AppError(
        'invalid_request',
        'The last message is the assistant’s, and there is nothing in it to go on from: send a message of the user’s.',
      );
    }
    noteTarget(exchange.request, run.id, run.sessionId);
    for (const decision of decisions) await this.decide(exchange, run, decision);
    return this.answers.send(exchange, run, dialect, open);
  }

  /** One that comes too late, or after another, changes nothing: what follows in the run tells what holds. */
  private async decide({ principal, request }: Exchange, run: Run, decision: CallDecision): Promise<void> {
    try {
      await this.decisions.decide(principal, request, run, decision);
    } catch (error) {
      if (!hasCode(error, 'conflict') && !hasCode(error, 'approval_expired')) throw error;
    }
  }

  /** The run whose message it is: its id is the message's. */
  private async answered(owner: Owner, sessionId: string, messageId = ''): Promise<Run | undefined> {
    if (!isId('run', messageId)) return this.records.findLatest(owner, sessionId);
    const run = await this.records.find(owner, messageId);
    return run?.sessionId === sessionId ? run : undefined;
  }

  private find(owner: Owner, clientId: string): Promise<string | undefined> {
    return this.threads.find(owner, { kind: 'ai-sdk', clientId });
  }
}

function readLast({ messages }: ChatRequest): LastMessage {
  const parsed = lastMessage.safeParse(messages.at(-1));
  if (parsed.success) return parsed.data;
  throw new AppError('invalid_request', 'The last message is none of the user’s, nor of the assistant’s.', {
    errors: parsed.error.issues.map(({ path, message }) => ({
      path: ['messages', messages.length - 1, ...path].map(String).join('.'),
      message,
    })),
  });
}

/** Version 5 adds what it is told again to what it has: it gets only what is not over. */
function isToldAgain({ status, endedAt }: Run, { hasApprovals }: Dialect): boolean {
  if (isOpen(status)) return true;
  return hasApprovals && endedAt !== null && Date.now() - endedAt < RESUMABLE_MS;
}
