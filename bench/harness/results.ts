/** What one run of the bench leaves behind in `results/<time>.json`: every measurement, and where it was made. */
export interface Results {
  date: string;
  seed: number;
  options: { repeat: number; quick: boolean };
  machine: { cpus: string; cores: number; memoryGb: number; kernel: string; node: string; commit: string };
  versions: Record<string, string>;
  titles: Record<string, string>;
  scenarios: ScenarioFacts[];
  lines: Line[];
  /** Candidates that could not be started, and why. */
  missing: Record<string, string>;
}

/** What the table needs to know of a scenario. */
export interface ScenarioFacts {
  name: string;
  title: string;
  description: string;
  figures: FigureFacts[];
}

export interface FigureFacts {
  key: string;
  title: string;
  unit: string;
  digits?: number;
  ratiosTo?: string[];
  differencesTo?: string[];
}

/** One measurement. */
export interface Line {
  scenario: string;
  candidate: string;
  repetition: number;
  /** Seconds after the beginning of the bench. */
  at: number;
  /** Load average of the last minute, when it ended. */
  load: number;
  figures: Record<string, number>;
  tokens: number;
  cuts: number;
  returns?: number;
  /** Whether viewers of this candidate can come back after a cut. */
  resumes: boolean;
  problems: string[];
}
