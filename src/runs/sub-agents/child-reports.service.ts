import { Injectable } from '@nestjs/common';
import { parseEventId } from '../../event-log/event-id.js';
import { EventLog } from '../../event-log/event-log.js';
import { placeEvents } from '../../event-log/placed-event.js';
import { MessageRepository } from '../../sessions/message.repository.js';
import { cutText } from '../../tools/cut-text.js';
import type { SubAgentResult } from '../../tools/tool.js';
import type { Run, RunOutcome } from '../run.js';

/** Of what a sub-agent said last, in bytes: the model that asked gets it as one result. */
const MAX_TEXT_BYTES = 65_536;

/** What came of a sub-agent, for the run that has started it. */
@Injectable()
export class ChildReports {
  constructor(
    private readonly messages: MessageRepository,
    private readonly log: EventLog,
  ) {}

  /** @param child a run that is over. */
  async of(child: Run): Promise<SubAgentResult> {
    const answer = await this.messages.findLastAnswer(child, child.id);
    const texts = (answer?.content ?? []).map(({ type, text }) =>
      type === 'text' && typeof text === 'string' ? text : '',
    );
    return {
      runId: child.id,
      status: child.status as RunOutcome,
      text: cutText(texts.join(''), MAX_TEXT_BYTES),
      ...(child.status === 'failed' ? { error: await this.reason(child) } : {}),
    };
  }

  /** The `error` event stands before `done`; where the log is forgotten, the code is what is left. */
  private async reason({ id, lastEventId, errorCode }: Run): Promise<string> {
    const seq = parseEventId(lastEventId ?? '')?.seq ?? 0;
    const events = placeEvents(await this.log.read(id, Math.max(0, seq - 2)));
    const said = [...events].find(({ type }) => type === 'error');
    return said?.type === 'error' ? said.data.error : `It failed: ${errorCode ?? 'internal'}.`;
  }
}
