import { AppError } from '../errors/app-error.js';
import { boundedResult } from './bounded-result.js';
import { cutText } from './cut-text.js';
import { OutcomeUnknown } from './outcome-unknown.js';
import { ToolError } from './tool-error.js';
import type { ToolSet } from './tool-set.js';
import type { RegisteredTool, ToolContext, ToolOptions } from './tool.js';

/** How a call ended. `result` is a JSON value of about 100 KiB at most; with `isError` it is a text. */
export interface ToolOutcome {
  result: unknown;
  isError: boolean;
  /** True when the call was begun and nobody knows whether it took effect. */
  unknown?: boolean;
}

export interface ToolCallLimits {
  /** Milliseconds for a tool that names no time of its own. */
  timeoutMs: number;
}

/** Hears of errors that the model is not told about: `tool` failed in `context` with `error`. */
export type UnexpectedToolError = (error: unknown, tool: string, context: ToolContext) => void;

const MAX_RESULT_BYTES = 100 * 1024;
const MAX_ISSUES = 20;

const NOT_BEGUN = failure('The call was cancelled before it began.');
const CANCELLED = failure('The call was cancelled before it ended. Whether it took effect is not known.');

/** Calls tools on behalf of a model: whatever the tool does, the answer is an outcome, in time and of bounded size. */
export class ToolCaller {
  constructor(private readonly onUnexpected: UnexpectedToolError) {}

  /**
   * Calls one of `tools` with the arguments that a model sent, or with `{ INVALID_JSON: raw }` when they were no JSON.
   *
   * `context.signal` is the run's: when it is aborted the call ends at once. The tool is given a signal of its own
   * that is aborted then and at the end of its time; a tool that does not listen is left behind.
   * @returns the outcome; never rejects.
   */
  async call(
    tools: ToolSet,
    name: string,
    args: unknown,
    context: ToolContext,
    limits: ToolCallLimits,
  ): Promise<ToolOutcome> {
    const tool = tools.find(name);
    if (tool === undefined) return unknownTool(name, tools);
    const raw = invalidJson(args);
    if (raw !== undefined) return notJson(raw);
    if (context.signal.aborted) return NOT_BEGUN;

    const timeoutMs = tool.options.timeoutMs ?? limits.timeoutMs;
    const stopped = Promise.withResolvers<ToolOutcome>();
    const controller = new AbortController();
    const stop = (outcome: ToolOutcome, reason: unknown): void => {
      stopped.resolve(outcome);
      controller.abort(reason);
    };
    const onAbort = (): void => stop(CANCELLED, context.signal.reason);
    const onTimeout = (): void =>
      stop(timedOut(tool.options, timeoutMs), new DOMException('The time is up', 'TimeoutError'));
    // Not AbortSignal.any: a tool that leaves a listener behind would keep that alive as long as the run.
    context.signal.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(onTimeout, timeoutMs);
    try {
      return await Promise.race([
        stopped.promise,
        this.run(tool, args, {
          ...context,
          signal: controller.signal,
          startAgent: (request, signal = controller.signal) => context.startAgent(request, signal),
        }),
      ]);
    } finally {
      clearTimeout(timer);
      context.signal.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Whether a call can be made at all: the tool is there and the arguments fit. Makes none.
   * @returns the parsed arguments, or what `call` would answer; never rejects.
   */
  async check(
    tools: ToolSet,
    name: string,
    args: unknown,
  ): Promise<{ args: Record<string, unknown> } | { outcome: ToolOutcome }> {
    const tool = tools.find(name);
    if (tool === undefined) return { outcome: unknownTool(name, tools) };
    const raw = invalidJson(args);
    if (raw !== undefined) return { outcome: notJson(raw) };
    try {
      const parsed = await tool.options.input.safeParseAsync(args);
      return parsed.success ? { args: parsed.data } : { outcome: unfit(parsed.error.issues) };
    } catch {
      // A check that throws: `call` meets it too, and tells the operator.
      return { outcome: failure('The tool failed.') };
    }
  }

  private async run(tool: RegisteredTool, args: unknown, context: ToolContext): Promise<ToolOutcome> {
    try {
      const parsed = await tool.options.input.safeParseAsync(args);
      if (!parsed.success) return unfit(parsed.error.issues);
      // A slow check may end after the call was answered: the tool must not begin then.
      context.signal.throwIfAborted();
      const result = await tool.call(parsed.data, context);
      return { result: boundedResult(result, MAX_RESULT_BYTES), isError: false };
    } catch (error) {
      // Once it is stopped, how the tool takes that is of no interest: the answer was given.
      if (context.signal.aborted) return CANCELLED;
      if (error instanceof ToolError || error instanceof AppError) return failure(error.message);
      if (error instanceof OutcomeUnknown)
        return { ...failure(`Outcome unknown: ${error.message}`), unknown: true };
      this.onUnexpected(error, tool.options.name, context);
      return failure('The tool failed.');
    }
  }
}

function unknownTool(name: string, tools: ToolSet): ToolOutcome {
  const names = tools.names();
  const available = names.length === 0 ? 'No tool is available.' : `Available: ${names.join(', ')}.`;
  return failure(`There is no tool "${name}". ${available}`);
}

function notJson(raw: string): ToolOutcome {
  return failure(`The arguments are not valid JSON. Received: ${raw}`);
}

function unfit(issues: Parameters<typeof listIssues>[0]): ToolOutcome {
  return failure(`The arguments do not fit:\n${listIssues(issues)}`);
}

/** An error without a word would be refused by the model's provider, and with it the whole conversation. */
function failure(text: string): ToolOutcome {
  const words = text.trim() === '' ? 'The tool failed.' : text;
  return { result: cutText(words, MAX_RESULT_BYTES), isError: true };
}

/** Where twice does no harm, whether it took effect does not matter either. */
function timedOut({ idempotent }: ToolOptions, timeoutMs: number): ToolOutcome {
  const outcome = failure(
    `The tool did not end within ${timeoutMs} ms. Whether it took effect is not known.`,
  );
  return idempotent === true ? outcome : { ...outcome, unknown: true };
}

/** The raw text of arguments that could not be parsed, in the form that the model's provider knows. */
function invalidJson(args: unknown): string | undefined {
  if (typeof args !== 'object' || args === null || Object.keys(args).length !== 1) return undefined;
  return 'INVALID_JSON' in args && typeof args.INVALID_JSON === 'string' ? args.INVALID_JSON : undefined;
}

function listIssues(issues: readonly { path: PropertyKey[]; message: string }[]): string {
  const lines = issues
    .slice(0, MAX_ISSUES)
    .map(({ path, message }) => `- ${path.map(String).join('.') || '(arguments)'}: ${message}`);
  const more = issues.length - lines.length;
  return [...lines, ...(more > 0 ? [`- and ${more} more`] : [])].join('\n');
}
