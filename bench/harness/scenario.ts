import type { Descriptor } from './candidate.ts';
import type { LoadClient } from './load-client.ts';
import type { Random } from './random.ts';
import type { FigureFacts } from './results.ts';
import type { RunningCandidate } from './running-candidate.ts';

/** One column of the table. */
export interface Figure extends FigureFacts {
  /** Key in what `measure` returns. */
  key: string;
  /** Candidates that this figure is divided by, in the same repetition. */
  ratiosTo?: string[];
  /** Candidates whose figure is taken away from this one, in the same repetition. */
  differencesTo?: string[];
}

/** Where and with what one measurement is made. */
export interface Measurement {
  candidate: RunningCandidate;
  client: LoadClient;
  random: Random;
  quick: boolean;
  /** CPU time of the processes of this candidate's stores so far, in microseconds; 0 for who has none. */
  storeCpu: () => Promise<number>;
  /** A number for `RunPlan.run` that no other run has. */
  nextRun: () => number;
}

export interface Outcome {
  /** By key; a figure that this candidate cannot have is missing. */
  figures: Record<string, number>;
  /** Lost, doubled or reordered tokens, broken streams: any of them fails the bench. */
  problems: string[];
  /** Viewers that were cut and came back. */
  cuts: number;
  /** How often viewers came back because the server had ended their streams before the last event. */
  returns?: number;
  tokens: number;
}

/** The default export of `scenarios/<name>.ts`. */
export interface Scenario {
  name: string;
  title: string;
  /** One sentence: what is done, and what is counted. */
  description: string;
  figures: Figure[];
  /** Whether this candidate can be measured; all can by default. */
  takes?: (descriptor: Descriptor) => boolean;
  /** A new process for every measurement, for figures of memory. */
  fresh?: boolean;
  /** At most so many repetitions, for what takes long and varies little. */
  repeat?: number;
  /** Before the first measurement of each process. */
  warmUp?: (measurement: Measurement) => Promise<void>;
  measure: (measurement: Measurement) => Promise<Outcome>;
}
