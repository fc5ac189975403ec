import { z } from 'zod';
import { ToolSet } from './tool-set.js';
import type { RegisteredTool, ToolDescription, ToolOptions } from './tool.js';

interface Entry {
  readonly tool: RegisteredTool;
  readonly spec: ToolDescription;
  readonly place: string;
  /** Set for tools that come and go together. */
  readonly group?: string;
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
    this.entries.set(name, { tool, place, spec: describe(tool, place) });
    this.sort();
  }

  /**
   * Puts `tools` into the place of all that `group` has offered until now; with none it is withdrawn. Runs at work
   * keep the set that they began with. What cannot be offered, or has a name that is taken, is left out.
   * @returns one line about each tool that was left out.
   */
  replaceGroup(group: string, tools: readonly RegisteredTool[]): string[] {
    for (const [name, entry] of this.entries) if (entry.group === group) this.entries.delete(name);
    const problems = tools.flatMap((tool) => this.join(group, tool) ?? []);
    this.sort();
    return problems;
  }

  list(): RegisteredTool[] {
    return this.sorted.map((entry) => entry.tool);
  }

  /**
   * The tools with these names; a name that ends in `*` stands for all that begin like it. Names of tools that are
   * not there are passed over: a tool server may be away.
   */
  select(wanted: 'all' | readonly string[]): ToolSet {
    const isWanted = ({ tool }: Entry): boolean =>
      wanted === 'all' || wanted.some((pattern) => fits(tool.options.name, pattern));
    const entries = this.sorted.filter(isWanted);
    return new ToolSet(
      entries.map(({ tool }) => tool),
      entries.map(({ spec }) => spec),
    );
  }

  /** All tools as a model is told of them, always the same objects. */
  specs(): ToolDescription[] {
    return this.sorted.map((entry) => entry.spec);
  }

  private join(group: string, tool: RegisteredTool): string | undefined {
    const { name } = tool.options;
    const problem = problemOf(tool.options);
    if (problem !== undefined) return `${JSON.stringify(name)} ${problem}`;
    const other = this.entries.get(name);
    if (other !== undefined) return `"${name}" is the name of a tool of ${other.place} already`;
    this.entries.set(name, { tool, place: group, group, spec: describe(tool, group) });
    return undefined;
  }

  private sort(): void {
    this.sorted = [...this.entries.values()].toSorted((a, b) =>
      a.tool.options.name < b.tool.options.name ? -1 : 1,
    );
  }
}

function fits(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
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

function describe({ options, inputSchema }: RegisteredTool, place: string): ToolDescription {
  const { name, description, input } = options;
  if (inputSchema !== undefined) return { name, description, input_schema: inputSchema };
  try {
    const { $schema: _, ...schema } = z.toJSONSchema(input, { io: 'input', target: 'draft-2020-12' });
    return { name, description, input_schema: schema };
  } catch (cause) {
    throw new Error(`The input of the tool "${name}" of ${place} cannot be written as JSON Schema.`, {
      cause,
    });
  }
}
