import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { patient } from '../database/patient.js';
import type { MeteredRun } from './budget.js';
import { BudgetRepository } from './budget.repository.js';
import { BudgetedRun, giveUpAll, type MeterDependencies, type SettledCall } from './budgeted-run.js';
import { LeftCallRepository } from './left-call.repository.js';
import { ModelCallRepository } from './model-call.repository.js';
import { RefundBell } from './refund-bell.js';
import type { RunMeter } from './run-meter.js';
import { usageConfig, type UsageConfig } from './usage.config.js';

/** A call of a model holds so long while the database is away. */
const PATIENCE_MS = 10_000;
/** Days that are over keep their budgets so long. */
const KEEP_DAYS_MS = 7 * 86_400_000;

/** Makes the meter of each attempt of a run. One for the process: calls that give money back wake those that wait. */
@Injectable()
export class RunMeters {
  private readonly logger = new Logger(RunMeters.name);
  private readonly listeners: ((call: SettledCall) => void)[] = [];
  private readonly dependencies: MeterDependencies;

  constructor(
    @Inject(usageConfig.KEY) { BUDGETS = {} }: UsageConfig,
    calls: ModelCallRepository,
    leftCalls: LeftCallRepository,
    budgets: BudgetRepository,
  ) {
    this.dependencies = {
      settings: BUDGETS,
      calls: patient(calls, PATIENCE_MS, sleep),
      leftCalls: patient(leftCalls, PATIENCE_MS, sleep),
      budgets: patient(budgets, PATIENCE_MS, sleep),
      bell: new RefundBell(),
      onSettled: (call) => this.tell(call),
      now: Date.now,
      random: Math.random,
    };
  }

  /** @param on what else tells the day, for tests. */
  open(run: MeteredRun, on: Partial<Pick<MeterDependencies, 'now'>> = {}): RunMeter {
    return new BudgetedRun(run, { ...this.dependencies, ...on });
  }

  /** The listener hears of every call that has used something, once, after it is booked. */
  onSettled(listener: (call: SettledCall) => void): void {
    this.listeners.push(listener);
  }

  /**
   * Books the calls of runs that are over, whose process died without a successor, and forgets the budgets of days
   * long over. Any process may do so at any time.
   * @returns how many calls.
   */
  async sweep(): Promise<number> {
    const { leftCalls, budgets, now } = this.dependencies;
    const left = await giveUpAll(await leftCalls.listDead(), this.dependencies);
    await budgets.deleteDaysBefore(new Date(now() - KEEP_DAYS_MS).toISOString().slice(0, 10));
    return left.length;
  }

  /** What fails here must not fail the run whose call it was. */
  private tell(call: SettledCall): void {
    for (const listener of this.listeners) {
      try {
        listener(call);
      } catch (error) {
        this.logger.error({ err: error }, 'A listener for model calls failed');
      }
    }
  }
}
