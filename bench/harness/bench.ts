import { loadavg } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Descriptor, Place } from './candidate.ts';
import { Child } from './children.ts';
import { LoadClient } from './load-client.ts';
import type { Options } from './options.ts';
import { Random } from './random.ts';
import type { Line, Results } from './results.ts';
import { RunningCandidate } from './running-candidate.ts';
import type { Measurement, Outcome, Scenario } from './scenario.ts';
import type { Stores } from './stores.ts';

interface Entrant {
  descriptor: Descriptor;
  moduleUrl: string;
}

/** Runs scenarios one after the other; in each, all candidates live at once and are measured in turn. */
export class Bench {
  private readonly model = new Child([fileURLToPath(new URL('model-server.ts', import.meta.url))]);
  private readonly client = new LoadClient();
  private readonly begin = performance.now();
  private readonly options: Options;
  private readonly stores: Stores;
  private readonly results: Results;
  private readonly say: (text: string) => void;
  private readonly living = new Set<RunningCandidate>();
  private isClosed = false;
  private runs = 0;

  constructor(options: Options, stores: Stores, results: Results, say: (text: string) => void) {
    this.options = options;
    this.stores = stores;
    this.results = results;
    this.say = say;
  }

  /** @param keep is called after each scenario: what was measured outlives what comes after. */
  async run(keep: () => void = () => {}): Promise<void> {
    const entrants: Entrant[] = [];
    for (const name of this.options.candidates) entrants.push(await this.load(name));
    for (const name of this.options.scenarios) {
      const module = (await import(`../scenarios/${name}.ts`)) as { default: Scenario };
      await this.runScenario(module.default, entrants);
      keep();
    }
  }

  /** Ends all processes, also in the middle of a measurement. */
  async close(): Promise<void> {
    this.isClosed = true;
    const candidates = [...this.living].map((candidate) => this.stop(candidate));
    await Promise.all([...candidates, this.model.end(), this.client.child.end()]);
  }

  private async stop(candidate: RunningCandidate): Promise<void> {
    this.living.delete(candidate);
    await candidate.stop();
  }

  private async load(name: string): Promise<Entrant> {
    const moduleUrl = new URL(`../candidates/${name}/descriptor.ts`, import.meta.url).href;
    const { default: descriptor } = (await import(moduleUrl)) as { default: Descriptor };
    this.results.titles[name] = descriptor.title;
    this.results.versions[name] = descriptor.version();
    return { descriptor, moduleUrl };
  }

  private async runScenario(scenario: Scenario, entrants: Entrant[]): Promise<void> {
    const { name, title, description, figures } = scenario;
    this.results.scenarios.push({ name, title, description, figures });
    this.say(`\n${title}\n`);
    const taken = entrants.filter(({ descriptor }) => scenario.takes?.(descriptor) ?? true);
    const running = new Map<Entrant, RunningCandidate>();
    try {
      if (scenario.fresh !== true) await this.startAll(scenario, taken, running);
      const last = Math.min(this.options.repeat, scenario.repeat ?? Infinity);
      for (let repetition = 1; repetition <= last; repetition += 1) {
        await this.repeat(scenario, repetition, taken, running);
      }
    } finally {
      await Promise.all([...running.values()].map((candidate) => this.stop(candidate)));
    }
  }

  private async startAll(
    scenario: Scenario,
    entrants: Entrant[],
    running: Map<Entrant, RunningCandidate>,
  ): Promise<void> {
    for (const entrant of entrants) {
      const candidate = await this.start(entrant);
      if (candidate === undefined) continue;
      running.set(entrant, candidate);
      this.say(`  ${entrant.descriptor.name}: warm-up`);
      try {
        await scenario.warmUp?.(this.measurement(candidate));
      } catch (error) {
        // What is wrong is seen again, and kept, when it is measured.
        this.say(`  ${entrant.descriptor.name}: warm-up failed: ${String(error)}`);
      }
    }
  }

  /** All candidates once, in another order each time. */
  private async repeat(
    scenario: Scenario,
    repetition: number,
    entrants: Entrant[],
    running: Map<Entrant, RunningCandidate>,
  ): Promise<void> {
    const first = entrants.length === 0 ? 0 : (repetition - 1) % entrants.length;
    for (const entrant of [...entrants.slice(first), ...entrants.slice(0, first)]) {
      const candidate = scenario.fresh === true ? await this.start(entrant) : running.get(entrant);
      if (candidate === undefined) continue;
      try {
        if (scenario.fresh === true) await scenario.warmUp?.(this.measurement(candidate));
        this.keep(scenario, repetition, entrant, await this.measure(scenario, candidate, repetition));
      } finally {
        if (scenario.fresh === true) await this.stop(candidate);
      }
    }
  }

  private async measure(
    scenario: Scenario,
    candidate: RunningCandidate,
    repetition: number,
  ): Promise<Outcome> {
    const { profile } = this.options;
    try {
      if (profile !== undefined) await candidate.child.calls.ask('profileStart');
      const outcome = await scenario.measure(this.measurement(candidate, repetition));
      if (profile !== undefined) {
        const file = `${scenario.name}-${candidate.descriptor.name}-${repetition}.cpuprofile`;
        await candidate.child.calls.ask('profileStop', resolve(profile, file));
      }
      return outcome;
    } catch (error) {
      const said = candidate.child.isOver ? `; it has ended: ${candidate.child.said}` : '';
      return { figures: {}, problems: [`${String(error)}${said}`], cuts: 0, tokens: 0 };
    }
  }

  private keep(scenario: Scenario, repetition: number, { descriptor }: Entrant, outcome: Outcome): void {
    const line: Line = {
      scenario: scenario.name,
      candidate: descriptor.name,
      repetition,
      at: Math.round((performance.now() - this.begin) / 100) / 10,
      load: loadavg()[0] ?? 0,
      resumes: descriptor.resume !== null,
      ...outcome,
    };
    this.results.lines.push(line);
    const figures = scenario.figures
      .filter(({ key }) => outcome.figures[key] !== undefined)
      .map(({ key, title, unit, digits = 1 }) => `${title} ${outcome.figures[key]?.toFixed(digits)} ${unit}`);
    const wrong = outcome.problems.length === 0 ? '' : `\n    WRONG: ${outcome.problems.join('\n    ')}`;
    this.say(
      `  ${repetition}/${this.options.repeat} ${descriptor.name.padEnd(20)} ${figures.join(' · ')} · load ${line.load.toFixed(1)}${wrong}`,
    );
  }

  private async start(entrant: Entrant): Promise<RunningCandidate | undefined> {
    const { descriptor, moduleUrl } = entrant;
    if (this.isClosed || this.results.missing[descriptor.name] !== undefined) return undefined;
    try {
      const modelUrl = await this.model.calls.ask<string>('url');
      const place: Omit<Place, 'port' | 'folder'> = { modelUrl };
      for (const need of descriptor.needs ?? []) {
        if (need === 'postgres') place.postgresUrl = await this.stores.postgresUrl();
        else place.redisUrl = await this.stores.redisUrl();
      }
      const candidate = await RunningCandidate.start(descriptor, moduleUrl, place);
      this.living.add(candidate);
      return candidate;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.results.missing[descriptor.name] = reason;
      this.say(`  ${descriptor.name}: cannot be started: ${reason}`);
      return undefined;
    }
  }

  /** The same random numbers for all candidates of a repetition. */
  private measurement(candidate: RunningCandidate, repetition = 0): Measurement {
    const { client, options } = this;
    const random = new Random(options.seed + repetition);
    const needs = candidate.descriptor.needs ?? [];
    const storeCpu = async () => {
      const used = await Promise.all(needs.map((need) => this.stores.cpu(need)));
      return used.reduce((sum, each) => sum + each, 0);
    };
    return { candidate, client, random, quick: options.quick, storeCpu, nextRun: () => (this.runs += 1) };
  }
}
