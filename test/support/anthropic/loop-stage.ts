import { AnthropicModel, type AnthropicModelOptions } from '../../../src/model/anthropic/anthropic-model.js';
import type { LanguageModel } from '../../../src/model/language-model.js';
import type { LoopResult } from '../../../src/runs/loop/agent-loop.js';
import type { Run } from '../../../src/runs/run.js';
import type { RunStart } from '../../../src/runs/run-starter.service.js';
import { openSqlite } from '../databases.js';
import { dataOf, faultsOf, textOf, toolFaultsOf, type EventData, type ViewedEvent } from '../event-list.js';
import { eventsOf } from '../runs/event-lines.js';
import { ADA, type LoopOptions, RunBench } from '../runs/run-bench.js';
import { blocksOf } from './strict-anthropic.js';
import { StrictUpstream } from './strict-upstream.js';

/** One run as its viewers have seen it. */
export interface Played {
  run: Run;
  result: LoopResult;
  events: ViewedEvent[];
  /** What a viewer shows in the end. */
  text: string;
  done: EventData;
  /** The `error` event, if there is one. */
  error: EventData | undefined;
  /** What is wrong with the list itself, and what nobody foresaw: empty for every run, however it went. */
  faults: string[];
}

/** The whole executor without Nest: the loop over SQLite, the real adapter, real HTTP, and the strict upstream. */
export class LoopStage {
  private constructor(
    readonly bench: RunBench,
    readonly upstream: StrictUpstream,
    readonly model: LanguageModel,
  ) {}

  static async open(options: Partial<AnthropicModelOptions> = {}): Promise<LoopStage> {
    const upstream = await StrictUpstream.start();
    const model = new AnthropicModel({
      defaultModel: 'claude-opus-5-5',
      baseUrl: upstream.url,
      apiKey: 'test-key',
      idleMs: 30_000,
      ...options,
    });
    return new LoopStage(new RunBench(await openSqlite()), upstream, model);
  }

  /** Before each test: no request, effect or wait of an earlier one. */
  forget(): void {
    this.upstream.forget();
    for (const list of [this.bench.effects, this.bench.delays, this.bench.unexpected]) list.length = 0;
  }

  /** What was asked of the model, as roles and kinds of blocks: `user: text | assistant: tool_use | …`. */
  asked(call: number): string {
    return (this.upstream.calls[call - 1]?.body.messages ?? [])
      .map(
        (m) =>
          `${m.role}: ${blocksOf(m)
            .map((block) => block.type)
            .join(' ')}`,
      )
      .join(' | ');
  }

  async close(): Promise<void> {
    await this.upstream.stop();
    await this.bench.database.close();
  }

  /** A user says this, in a session of its own if no other is named, and the run goes to its end. */
  async say(
    text: string,
    options: LoopOptions = {},
    start: Partial<RunStart> = {},
    model = this.model,
  ): Promise<Played> {
    const run = await this.begin(text, start);
    return this.play(run, options, model);
  }

  /** A run in its first attempt, with the model that the service really has. */
  async begin(text: string, start: Partial<RunStart> = {}): Promise<Run> {
    const { starter, leases } = this.bench;
    const created = await starter.create(
      {
        principal: ADA,
        sessionId: null,
        content: [{ type: 'text', text }],
        whenBusy: 'queue',
        onDisconnect: 'continue',
        idempotency: null,
        ...start,
      },
      () => this.model.defaultModel,
    );
    const run = 'run' in created ? await leases.beginOwn(created.run.id) : undefined;
    if (run === undefined) throw new Error('the run cannot begin');
    return run;
  }

  /** One attempt of a run that has begun. */
  async play(run: Run, options: LoopOptions = {}, model = this.model): Promise<Played> {
    const result = await this.bench.attempt(run, model, options);
    return this.view(run, result);
  }

  /** What there is to see of a run now. */
  async view(run: Run, result: LoopResult = 'over'): Promise<Played> {
    const events = await viewedEvents(this.bench, run.id);
    const error = events.find((event) => event.event === 'error');
    return {
      run,
      result,
      events,
      text: textOf(events),
      done: dataOf(events.at(-1)),
      error: error && dataOf(error),
      faults: [...faultsOf(events), ...toolFaultsOf(events), ...this.bench.unexpected.map(String)],
    };
  }
}

async function viewedEvents(bench: RunBench, runId: string): Promise<ViewedEvent[]> {
  return (await eventsOf(bench.log, runId)).map(({ type, data, id }) => ({
    event: type,
    id,
    data: JSON.stringify(data),
  }));
}

/** The events of one kind, with their data. */
export function eventsNamed(events: ViewedEvent[], kind: string): EventData[] {
  return events.filter(({ event }) => event === kind).map(dataOf);
}
