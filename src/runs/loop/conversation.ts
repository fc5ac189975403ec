import { newId } from '../../database/ids.js';
import type { LogWriter } from '../../event-log/event-log.js';
import type { Usage } from '../../event-log/run-event.js';
import type { Block, LastMessage, Message } from '../../sessions/message.js';
import type { MessageRepository } from '../../sessions/message.repository.js';
import type { Run } from '../run.js';
import type { RunRepository } from '../run.repository.js';
import type { MessageDraft } from './message-draft.js';

/** What the run has used when a message is stored. */
interface Progress {
  turns: number;
  usage: Usage;
}

/** The stored conversation of a run: what is in it decides the next step, and every addition is a checkpoint. */
export class Conversation {
  private known: LastMessage | undefined;

  constructor(
    private readonly run: Run,
    private readonly writer: LogWriter,
    private readonly runs: RunRepository,
    private readonly messages: MessageRepository,
  ) {}

  /** All of it, for the model. */
  whole(): Promise<Message[]> {
    return this.messages.list(this.run.sessionId, this.run.number);
  }

  /** Its last message in this run; long texts are not loaded for it. */
  async last(): Promise<LastMessage | undefined> {
    return (this.known ??= await this.messages.findLast(this.run.id));
  }

  /** Stores what the model said. */
  addAnswer(draft: MessageDraft, content: Block[], stopReason: string, progress: Progress): Promise<void> {
    return this.add(
      { id: draft.id, role: 'assistant', content, hasParts: draft.hasParts, stopReason },
      progress,
    );
  }

  /** Stores the results of the last answer's calls. */
  addResults(content: Block[], progress: Progress): Promise<void> {
    return this.add({ id: newId('msg'), role: 'user', content, hasParts: false, stopReason: null }, progress);
  }

  /** What was shown so far belongs to stored messages from here on. */
  private async add(
    message: Pick<Message, 'id' | 'role' | 'content' | 'stopReason'> & { hasParts: boolean },
    { turns, usage }: Progress,
  ): Promise<void> {
    const position = ((await this.last())?.position ?? -1) + 1;
    await this.writer.flushed();
    const { id: runId, sessionId, number: runNumber } = this.run;
    // A checkpoint that fails may be stored all the same: then what is there decides.
    this.known = undefined;
    await this.runs.checkpoint(this.run, { seq: this.writer.lastSeq, turns, usage }, (on) =>
      this.messages.append(on, { ...message, sessionId, runId, runNumber, position }),
    );
    const { role, content, stopReason } = message;
    this.known = { position, role, content, stopReason };
  }
}
