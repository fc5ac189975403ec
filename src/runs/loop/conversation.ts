import type { Queryable } from '../../database/database.js';
import { newId } from '../../database/ids.js';
import type { LogWriter } from '../../event-log/event-log.js';
import type { Spent } from '../../usage/usage-sum.js';
import type { Block, LastMessage, Message, NewMessage } from '../../sessions/message.js';
import type { MessageRepository } from '../../sessions/message.repository.js';
import type { Run } from '../run.js';
import type { RunRepository } from '../run.repository.js';
import type { Summary } from '../../context/compactor.js';
import type { History } from '../../context/prompt.js';
import type { RunInputRepository } from './run-input.repository.js';

/** What the run has used when a message is stored. */
interface Progress extends Spent {
  turns: number;
}

type Addition = Pick<NewMessage, 'id' | 'role' | 'content' | 'hasParts' | 'stopReason' | 'prefixHash'>;

/** Before its first checkpoint a run has nothing but what its user said, and that decides by its role alone. */
const BEGINNING: LastMessage = { position: 0, role: 'user', content: [], hasParts: false, stopReason: null };

/** The stored conversation of a run: what is in it decides the next step, and every addition is a checkpoint. */
export class Conversation {
  private known: LastMessage | undefined;
  /** How many messages the run was sent while it worked, as far as known. */
  private announced: number;
  /** Whether some of them may wait to be taken in. */
  private isInputDue: boolean;

  constructor(
    private readonly run: Run,
    private readonly writer: LogWriter,
    private readonly stores: { runs: RunRepository; messages: MessageRepository; inputs: RunInputRepository },
  ) {
    this.known = run.checkpointSeq === 0 ? BEGINNING : undefined;
    this.announced = run.inputs;
    this.isInputDue = run.inputs > 0;
  }

  /** All of it that the model has to know. */
  async history(): Promise<History<Message>> {
    const { messages } = this.stores;
    const { sessionId, number } = this.run;
    const compaction = await messages.findCompaction(this.run, sessionId);
    return { compaction, messages: await messages.list(this.run, sessionId, number, compaction) };
  }

  /** Its last message in this run; long texts are not loaded for it. */
  async last(): Promise<LastMessage | undefined> {
    return (this.known ??= await this.stores.messages.findLast(this.run, this.run.id));
  }

  /** Stores what the model said. */
  addAnswer(
    answer: Omit<Addition, 'role'>,
    progress: Progress,
    also?: (on: Queryable) => Promise<void>,
  ): Promise<void> {
    return this.add([{ ...answer, role: 'assistant' }], progress, also);
  }

  /** Says something to the model that the user did not say. */
  addNote(text: string, progress: Progress): Promise<void> {
    return this.add([fromUser(newId('msg'), [{ type: 'text', text }])], progress);
  }

  /** From now on the summary takes the place of what it stands for. */
  async addSummary({ upTo, text: summary }: Summary<Message>, progress: Progress): Promise<void> {
    const { id: runId, sessionId } = this.run;
    const { runNumber, position } = upTo;
    const compaction = { id: newId('cmp'), sessionId, runId, runNumber, position, summary };
    await this.writer.flushed();
    this.hear(
      await this.stores.runs.checkpoint(this.run, { seq: this.writer.lastSeq, ...progress }, (on) =>
        this.stores.messages.addCompaction(this.run, on, compaction),
      ),
    );
  }

  /** Stores the results of the last answer's calls. */
  addResults(content: Block[], progress: Progress): Promise<void> {
    return this.add([fromUser(newId('msg'), content)], progress);
  }

  /** Adds what the user has sent while the run worked. @returns whether there was something. */
  async takeInputs(progress: Progress): Promise<boolean> {
    if (!this.isInputDue) return false;
    const { announced, inputs } = await this.stores.inputs.look(this.run);
    this.announced = announced;
    this.isInputDue = false;
    if (inputs.length === 0) return false;
    const additions = inputs.map(({ messageId, content }) => fromUser(messageId, content));
    await this.add(additions, progress, (on) => this.stores.inputs.delete(this.run, on, inputs));
    return true;
  }

  /** The run takes no more messages. @returns false when there is one to be taken in first. */
  async closeInputs(): Promise<boolean> {
    const isClosed = !this.isInputDue && (await this.stores.inputs.close(this.run, this.announced));
    this.isInputDue = !isClosed;
    return isClosed;
  }

  /** The log was begun anew: what it has now is all that was said so far. */
  async moveCheckpoint(progress: Progress): Promise<void> {
    await this.writer.flushed();
    await this.stores.runs.checkpoint(this.run, { seq: this.writer.lastSeq, ...progress }, async () => {});
  }

  /** What was shown so far belongs to stored messages from here on. */
  private async add(
    additions: Addition[],
    progress: Progress,
    also?: (on: Queryable) => Promise<void>,
  ): Promise<void> {
    const first = ((await this.last())?.position ?? -1) + 1;
    await this.writer.flushed();
    const { id: runId, sessionId, number: runNumber } = this.run;
    const messages = additions.map((addition, index) => ({
      ...addition,
      sessionId,
      runId,
      runNumber,
      position: first + index,
    }));
    // A checkpoint that fails may be stored all the same: then what is there decides.
    this.known = undefined;
    const announced = await this.stores.runs.checkpoint(
      this.run,
      { seq: this.writer.lastSeq, ...progress },
      async (on) => {
        for (const message of messages) await this.stores.messages.append(this.run, on, message);
        await also?.(on);
      },
    );
    this.hear(announced);
    this.known = messages.at(-1);
  }

  /** How many messages the run was sent, as its checkpoint tells. */
  private hear(announced: number): void {
    this.isInputDue ||= announced !== this.announced;
    this.announced = announced;
  }
}

function fromUser(id: string, content: Block[]): Addition {
  return { id, role: 'user', content, hasParts: false, stopReason: null };
}
