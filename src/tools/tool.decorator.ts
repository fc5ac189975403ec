import { SetMetadata } from '@nestjs/common';
import type { z } from 'zod';
import type { ToolContext, ToolOptions } from './tool.js';

/** Metadata key under which a method keeps its `ToolOptions`. */
export const TOOL_OPTIONS = 'agentline:tool';

type ToolMethod<I extends z.ZodObject> = (args: z.output<I>, context: ToolContext) => unknown;

/**
 * Makes a method of any provider or controller a tool of the agent. The class must be a singleton.
 *
 * The method gets the parsed arguments and a `ToolContext`; a first parameter that does not fit `input` does not
 * compile. What it returns (or resolves with) goes to the model as JSON, cut at 100 KiB. To refuse with a reason
 * that the model may read, throw a `ToolError`.
 */
export function Tool<I extends z.ZodObject>(options: ToolOptions<I>) {
  return <M extends ToolMethod<I>>(
    target: object,
    method: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void => {
    SetMetadata(TOOL_OPTIONS, options)(target, method, descriptor);
  };
}
