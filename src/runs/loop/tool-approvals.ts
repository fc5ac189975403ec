import PQueue from 'p-queue';
import type { LogWriter } from '../../event-log/event-log.js';
import type { ToolCaller } from '../../tools/tool-caller.js';
import type { ToolApproval } from '../../tools/tool.js';
import type { ToolSet } from '../../tools/tool-set.js';
import type { Run } from '../run.js';
import type { LedgerStart, ToolLedgerRepository } from './tool-ledger.repository.js';

/** What the operator says of approvals. */
export interface ApprovalSettings {
  /** How long a person may take to decide, in milliseconds. */
  timeoutMs: number;
  /** Tools that always need one: names, or beginnings that end in `*`. */
  tools: readonly string[];
}

export interface ApprovalDependencies {
  tools: ToolSet;
  caller: ToolCaller;
  ledger: ToolLedgerRepository;
  writer: LogWriter;
  signal: AbortSignal;
  /** After so many milliseconds a rule that has not answered counts as `always`. */
  timeoutMs: number;
  approvals: ApprovalSettings;
  /** What the agent's profile says of a tool, beside what the tool itself does. */
  approvalOf(name: string): ToolApproval | undefined;
  onUnexpected(error: unknown, run: Run): void;
}

type Rule = ToolApproval<Record<string, unknown>>;

interface Call {
  id: string;
  name: string;
  args: unknown;
}

/** One request for a decision: the same call with other arguments is another one. */
export function approvalKey({ id, args }: Pick<Call, 'id' | 'args'>): string {
  return `${id} ${JSON.stringify(args)}`;
}

/** Which calls a person has to allow, and how that person is asked. */
export class ToolApprovals {
  /** Requests are shown one after the other, in the order of the calls. */
  private readonly asking = new PQueue({ concurrency: 1 });

  constructor(
    private readonly run: Run,
    private readonly dependencies: ApprovalDependencies,
  ) {}

  /** Whether the call must be allowed first; one that cannot be made at all need not be. Never rejects. */
  async isNeeded(call: Call): Promise<boolean> {
    const rules = this.rulesFor(call.name);
    if (rules.every((rule) => rule === 'never')) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const { signal, timeoutMs } = this.dependencies;
    const ask = () => resolve(true);
    const timer = setTimeout(ask, timeoutMs);
    signal.addEventListener('abort', ask, { once: true });
    this.judge(call, rules).then(resolve, ask);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', ask);
    }
  }

  /** Commits that the call waits, then tells viewers; said again it is the same request. */
  async ask(call: Call, entry: LedgerStart, asked: Set<string>): Promise<void> {
    const { ledger, writer, approvals } = this.dependencies;
    await this.asking.add(async () => {
      const expiresAt = await ledger.ask(this.run, entry, approvals.timeoutMs);
      const key = approvalKey(call);
      if (asked.has(key)) return;
      asked.add(key);
      const { id, name, args } = call;
      const data = { id, name, args, expires_at: new Date(expiresAt).toISOString() };
      await writer.append({ type: 'approval', data });
    });
  }

  private rulesFor(name: string): Rule[] {
    const { tools, approvals } = this.dependencies;
    const isListed = approvals.tools.some((pattern) =>
      pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
    );
    return [
      isListed ? 'always' : 'never',
      tools.find(name)?.options.approval ?? 'never',
      this.dependencies.approvalOf(name) ?? 'never',
    ];
  }

  /** Rules get a copy of the arguments: what they do to it changes nothing of what is shown and executed. */
  private async judge(call: Call, rules: Rule[]): Promise<boolean> {
    const { caller, tools } = this.dependencies;
    const checked = await caller.check(tools, call.name, structuredClone(call.args));
    if ('outcome' in checked) return false;
    if (rules.includes('always')) return true;
    for (const rule of rules) if (await this.asks(rule, checked.args)) return true;
    return false;
  }

  private async asks(rule: Rule, args: Record<string, unknown>): Promise<boolean> {
    if (typeof rule !== 'function') return rule !== 'never';
    try {
      const answer = await rule(args, this.run.principal);
      return answer !== 'never' && answer !== false;
    } catch (error) {
      this.dependencies.onUnexpected(error, this.run);
      return true;
    }
  }
}
