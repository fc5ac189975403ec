import type { ChildProcess } from 'node:child_process';
import process from 'node:process';

interface Call {
  benchCall: number;
  name: string;
  argument: unknown;
}

interface Answer {
  benchAnswer: number;
  result?: unknown;
  error?: string;
}

/** Questions to a child process over its IPC channel, and their answers. */
export class Calls {
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private readonly child: ChildProcess;
  private count = 0;

  constructor(child: ChildProcess) {
    this.child = child;
    child.on('message', (message) => {
      if (isAnswer(message)) this.waiting.get(message.benchAnswer)?.(message);
    });
    child.once('exit', (code, signal) => {
      for (const [id, settle] of this.waiting)
        settle({ benchAnswer: id, error: `the process ended (${signal ?? code})` });
    });
  }

  /** @throws {Error} what the child says, or that it has ended. */
  async ask<Result>(name: string, argument?: unknown): Promise<Result> {
    const id = (this.count += 1);
    const answer = await new Promise<Answer>((resolve) => {
      this.waiting.set(id, resolve);
      const call: Call = { benchCall: id, name, argument };
      if (!this.child.connected) resolve({ benchAnswer: id, error: 'the process is gone' });
      else this.child.send(call);
    });
    this.waiting.delete(id);
    if (answer.error !== undefined) throw new Error(`${name}: ${answer.error}`);
    return answer.result as Result;
  }
}

type Handler = (argument: never) => unknown;

/** In the child: answers calls by their names. */
export function answerCalls(handlers: Record<string, Handler>): void {
  process.on('message', (message) => {
    if (isCall(message)) void answer(handlers, message);
  });
  // The channel alone keeps no process alive, and a process whose parent is gone has nothing more to do.
  process.channel?.unref();
  process.on('disconnect', () => process.exit(0));
}

async function answer(handlers: Record<string, Handler>, { benchCall, name, argument }: Call): Promise<void> {
  const reply: Answer = { benchAnswer: benchCall };
  try {
    const handler = handlers[name];
    if (handler === undefined) throw new Error('nobody answers this');
    reply.result = await handler(argument as never);
  } catch (error) {
    reply.error = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  if (process.connected) process.send?.(reply);
}

function isAnswer(message: unknown): message is Answer {
  return typeof message === 'object' && message !== null && 'benchAnswer' in message;
}

function isCall(message: unknown): message is Call {
  return typeof message === 'object' && message !== null && 'benchCall' in message;
}
