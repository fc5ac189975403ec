import {
  AgentlineError,
  type AgentlineClient,
  type StartedRun,
  type ToolView,
} from '../client/agentline-client.js';
import type { Command } from './arguments.js';
import type { Interrupts } from './interrupts.js';
import type { Keyboard } from './keyboard.js';
import { inOneLine, plainText } from './plain-text.js';
import { RunPrinter, type Screen } from './run-printer.js';
import { Left, tellLosses } from './tail.js';

const OPEN = ['queued', 'running', 'waiting'];

export interface Surroundings {
  screen: Screen;
  keyboard: Keyboard;
  interrupts: Interrupts;
}

/** Place of an event in its run. */
const seqOf = (id: string | null | undefined): number => Number(id?.split('.')[2] ?? 0);

/** A conversation: a line is a message, its run is shown until it is over. */
export class Chat {
  private readonly printer: RunPrinter;
  private session: string | undefined;
  private isCompleted = true;

  constructor(
    private readonly client: AgentlineClient,
    private readonly command: Extract<Command, { name: 'chat' }>,
    private readonly around: Surroundings,
  ) {
    this.printer = new RunPrinter(around.screen);
    this.session = command.session;
  }

  /** @returns whether the last run was completed, which a person has seen, when there is no more input. @throws Left */
  async run(): Promise<boolean> {
    await this.resume();
    for (;;) {
      const content = await this.nextMessage();
      if (content === undefined) return this.around.keyboard.isPerson || this.isCompleted;
      if (content.trim() !== '') await this.say(content).catch((error: unknown) => this.outlive(error));
    }
  }

  /** What is refused may be said otherwise, when somebody is there to do so. */
  private outlive(error: unknown): void {
    const isRefusal = error instanceof AgentlineError && error.status !== 401;
    if (!isRefusal || !this.around.keyboard.isPerson) throw error;
    this.printer.line('red', `[error] ${plainText(error.message)}`);
  }

  private async nextMessage(): Promise<string | undefined> {
    const leave = new AbortController();
    this.around.interrupts.mean(() => leave.abort());
    return this.around.keyboard.ask(this.around.keyboard.isPerson ? '> ' : '', { signal: leave.signal });
  }

  /** A run that was left in its middle is shown first, from where its viewer had come to. */
  private async resume(): Promise<void> {
    const { session, lastEventId } = this.command;
    if (session === undefined) return;
    const runs = await this.client.runs(session);
    const asked = lastEventId?.split('.')[0];
    const run = asked === undefined ? runs[0] : runs.find(({ id }) => id === asked);
    if (asked !== undefined && run === undefined)
      throw new Error(`The session has no run ${inOneLine(asked)}.`);
    if (run === undefined || (asked === undefined && !OPEN.includes(run.status))) return;
    const started = { run_id: run.id, session_id: session, status: run.status };
    await this.watch(async () => started, seqOf(lastEventId), seqOf(run.last_event_id));
  }

  private async say(content: string): Promise<void> {
    const { session } = this;
    const agent = session === undefined ? this.command.agent : undefined;
    const where = {
      ...(session !== undefined && { session_id: session }),
      ...(agent !== undefined && { agent }),
    };
    await this.watch((signal) => this.client.start({ content, ...where }, { signal }));
  }

  /**
   * Shows a run. Ctrl-C cancels it, also before its id is known; once more leaves it.
   * @param seen what of it stands on the screen already. @param known up to where its events are old.
   */
  private async watch(
    start: (signal: AbortSignal) => Promise<StartedRun>,
    seen = 0,
    known = 0,
  ): Promise<void> {
    const leave = new AbortController();
    const stop = new AbortController();
    this.around.interrupts.mean(() => {
      if (stop.signal.aborted) leave.abort(new Left('The run goes on.'));
      stop.abort();
    });
    const run = await start(leave.signal);
    this.session = run.session_id;
    const stopping = this.cancelWhen(stop.signal, run.run_id, leave.signal);
    const stream = this.client.follow(run, { signal: leave.signal, onConnection: tellLosses });
    const asked = new Set<string>();
    try {
      for await (const event of stream) {
        if (seqOf(event.id) > seen) this.printer.show(event);
        if (seqOf(event.id) < known) continue;
        const open = stream.view.tools.filter(({ id, state }) => state === 'waiting' && !asked.has(id));
        for (const tool of open) {
          asked.add(tool.id);
          await this.decide(run.run_id, tool, stop.signal);
        }
      }
    } catch (error) {
      if (error instanceof Left) throw new Left(comeBack(run.session_id, stream.lastEventId));
      throw error;
    }
    await stopping();
    this.isCompleted = stream.view.status === 'completed';
  }

  /** @returns to be called when the run is over: it waits for a cancellation that is under way. */
  private cancelWhen(signal: AbortSignal, runId: string, leave: AbortSignal): () => Promise<unknown> {
    let cancelled: Promise<unknown> = Promise.resolve();
    const cancel = () => {
      process.stderr.write('Stopping. Once more leaves.\n');
      cancelled = this.client.cancel(runId, { signal: leave }).catch((error: unknown) => {
        if (!leave.aborted)
          process.stderr.write(`The run could not be stopped: ${plainText(String(error))}\n`);
      });
    };
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
    return () => {
      signal.removeEventListener('abort', cancel);
      return cancelled;
    };
  }

  /** No answer leaves the call waiting: somebody else may decide, or the time is over. */
  private async decide(runId: string, tool: ToolView, signal: AbortSignal): Promise<void> {
    const question = `Allow ${plainText(tool.name)} with ${inOneLine(tool.args)}? [y]es, [n]o and why: `;
    const answer = (await this.around.keyboard.ask(question, { signal }))?.trim();
    if (answer === undefined) return;
    const [, word = '', reason = ''] = /^(\S*)\s*(.*)$/s.exec(answer) ?? [];
    const decision = /^y(es)?$/i.test(word) ? 'approve' : 'deny';
    const why = decision === 'deny' ? (/^no?$/i.test(word) ? reason : answer) : '';
    try {
      await this.client.decide(runId, tool.id, decision, why === '' ? {} : { reason: why });
    } catch (error) {
      const isLate = error instanceof AgentlineError && [409, 410].includes(error.status);
      if (!isLate) throw error;
      this.printer.line('red', `[late] ${error.message}`);
    }
  }
}

function comeBack(session: string, lastEventId: string | undefined): string {
  const from = lastEventId === undefined ? '' : ` --last-event-id ${lastEventId}`;
  return `The run goes on. Come back with: agentline chat --session ${session}${from}`;
}
