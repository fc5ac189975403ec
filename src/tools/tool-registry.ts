import { z } from 'zod';
import type { RegisteredTool, ToolOptions } from './tool.js';

/** A tool as a model is told of it; `input_schema` is JSON Schema (draft 2020-12) of the arguments object. */
export interface ToolDescription {
  name: string;
  description: string;
  input_schema: Record<string, unknown>;
}

interface Entry {
  readonly tool: RegisteredTool;
  readonly spec: ToolDescription;
  readonly place: string;
}

/** What the model's provider takes as a name. */
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;
/** The longest delay of a Node timer; a longer one fires at once. */
const MAX_TIMEOUT_MS = 2_147_483_647;

/** The tools of this application. Sorted by name, so that the model's prompt cache holds over restarts. */
export class ToolRegistry {
  private readonly entries = new Map<string, Entry>();
  private sorted: Entry[] = [];

  /**
   * Adds a tool. `place` says where it is declared, for people.
   * @throws Error when the tool cannot be offered to a model, or when its name is taken: with both places.
   */
  register(tool: RegisteredTool, place: string): void {
    const problem = problemOf(tool.options);
    if (problem !== undefined)
      throw new Error(`The tool ${JSON.stringify(tool.options.name)} of ${place} ${problem}.`);
    const { name } = tool.options;
    const other = this.entries.get(name);
    if (other !== undefined) {
      throw new Error(`Two tools are named "${name}": ${other.place} and ${place}. Rename one of them.`);
    }
    this.entries.set(name, { tool, place, spec: describe(tool.options, place) });
    this.sorted = [...this.entries.values()].toSorted((a, b) =>
      a.tool.options.name < b.tool.options.name ? -1 : 1,
    );
  }

  list(): RegisteredTool[] {
    return this.sorted.map((entry) => entry.tool);
  }

  find(name: string): RegisteredTool | undefined {
    return this.entries.get(name)?.tool;
  }

  /** All tools as a model is told of them, always the same objects. */
  specs(): ToolDescription[] {
    return this.sorted.map((entry) => entry.spec);
  }
}

function problemOf(options: ToolOptions): string | undefined {
  if (!NAME.test(options.name)) return 'has a bad name: it takes 1 to 64 letters, digits, "_" and "-"';
  if (options.description.trim() === '') {
    return 'has no description: say what it does, when to use it and what comes back';
  }
  const { timeoutMs = 1 } = options;
  if (timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS) return undefined;
  return `has the timeout ${timeoutMs}: it takes milliseconds from 1 to ${MAX_TIMEOUT_MS}`;
}

function describe({ name, description, input }: ToolOptions, place: string): ToolDescription {
  try {
    const { $schema: _, ...schema } = z.toJSONSchema(input, { io: 'input', target: 'draft-2020-12' });
    return { name, description, input_schema: schema };
  } catch (cause) {
    throw new Error(`The input of the tool "${name}" of ${place} cannot be written as JSON Schema.`, {
      cause,
    });
  }
}
