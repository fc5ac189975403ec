/**
 * A tool says on purpose that it cannot do what was asked.
 * The message goes to the model as it stands, and so to whoever watches: what is wrong and what to try instead,
 * without secrets or paths. Any other error thrown by a tool is only logged; the model is told that it failed.
 */
export class ToolError extends Error {
  override readonly name = 'ToolError';
}
