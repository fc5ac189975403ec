import type { RegisteredTool, ToolDescription } from './tool.js';

/** The tools that one run may use: chosen when it is claimed, and the same for the whole attempt. */
export class ToolSet {
  private readonly tools: Map<string, RegisteredTool>;

  constructor(
    tools: readonly RegisteredTool[],
    private readonly descriptions: readonly ToolDescription[],
  ) {
    this.tools = new Map(tools.map((tool) => [tool.options.name, tool]));
  }

  find(name: string): RegisteredTool | undefined {
    return this.tools.get(name);
  }

  names(): string[] {
    return [...this.tools.keys()];
  }

  /** As a model is told of them, always the same objects in the same order: the prompt cache holds. */
  specs(): ToolDescription[] {
    return [...this.descriptions];
  }
}
