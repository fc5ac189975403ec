import { Injectable } from '@nestjs/common';
import { AgentService } from '../../agent/agent.service.js';
import type { View } from '../../agent/view-plan.js';
import { isViewerReset } from '../../agent/view-plan.js';
import { parseEventId } from '../../event-log/event-id.js';
import { placeEvents } from '../../event-log/placed-event.js';
import { DecisionsService } from '../../runs/decisions.service.js';
import type { Run } from '../../runs/run.js';
import { type Exchange, StreamResponse } from '../stream-response.service.js';
import { MessageBroken, MessageMapping } from './message-mapping.js';
import { chunkBlock, type Dialect } from './ui-chunk.js';

const HEADERS = { 'X-Vercel-AI-UI-Message-Stream': 'v1' };
const DONE = 'data: [DONE]\n\n';

/** Runs as messages of the AI SDK, over HTTP. */
@Injectable()
export class ChatAnswers {
  constructor(
    private readonly agent: AgentService,
    private readonly decisions: DecisionsService,
    private readonly streams: StreamResponse,
  ) {}

  /** To be asked before anything is started. @throws AppError `not_acceptable`, `draining`, `too_many_requests`. */
  admit(exchange: Exchange): Promise<void> {
    return this.streams.admit(exchange);
  }

  /**
   * Answers with the run as a message, from its beginning.
   * An answer that is not whole is cut, never ended: a client takes an end for the end of the message.
   * @param openCalls the client has a part of the message: it gets what follows the request to decide on one of these.
   * @returns when the answer has ended.
   */
  async send(exchange: Exchange, run: Run, dialect: Dialect, openCalls?: ReadonlySet<string>): Promise<void> {
    const { principal, response } = exchange;
    const last = await this.agent.lastEventId(run);
    const isDecided = !(await this.decisions.isAsked(principal, run.id));
    const known = (last === null ? undefined : parseEventId(last)?.seq) ?? 0;
    const follow = { sessionId: run.sessionId, runId: run.id, follow: false };
    const view = await this.agent.follow(principal, follow);
    const mapping = new MessageMapping({ dialect, known, isDecided, openCalls });
    await this.streams.write(exchange, {
      headers: HEADERS,
      blocks: (signal) => blocksOf(view, mapping, signal),
      ending: () => {
        if (!mapping.isFinished) response.destroy();
        return undefined;
      },
    });
  }
}

/** Ends at the message's end, or where the client has to begin again. */
async function* blocksOf(view: View, mapping: MessageMapping, signal: AbortSignal): AsyncGenerator<string> {
  if (view === 'over') return;
  for await (const batch of view.batches(signal)) {
    if (isViewerReset(batch)) return;
    let text = '';
    try {
      for (const event of placeEvents(batch)) {
        text += mapping.map(event).map(chunkBlock).join('');
        if (mapping.isFinished) break;
      }
    } catch (error) {
      if (error instanceof MessageBroken) return;
      throw error;
    }
    if (mapping.isFinished) {
      yield text + DONE;
      return;
    }
    if (text !== '') yield text;
  }
}
