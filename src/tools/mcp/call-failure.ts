import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError } from '@modelcontextprotocol/client';
import { maskSecrets } from '../../telemetry/mask-secrets.js';
import { cutText } from '../cut-text.js';
import { OutcomeUnknown } from '../outcome-unknown.js';
import { ToolError } from '../tool-error.js';
import { NotDelivered } from './guarded-fetch.js';
import { ANSWER_LOST } from './http-transport.js';

const MAX_BYTES = 2_000;

/**
 * What a failed call is for the model. The server refused it or never got it: an error like any other. In all other
 * cases it may have taken effect, also when an answer came that cannot be read.
 */
export function callFailure(server: string, error: unknown): Error {
  if (error instanceof ToolError) return error;
  if (error instanceof NotDelivered) return new ToolError(error.message, { cause: error });
  if (error instanceof ProtocolError && error.code !== ANSWER_LOST)
    return new ToolError(
      `The tool server "${server}" refused the call: ${cutText(maskSecrets(error.message), MAX_BYTES)}`,
    );
  if (error instanceof SdkHttpError && error.status >= 400 && error.status < 500)
    return new ToolError(`The tool server "${server}" refused the call with HTTP status ${error.status}.`);
  if (error instanceof SdkError) {
    if (error.code === SdkErrorCode.NotConnected)
      return new ToolError(`The tool server "${server}" is not connected.`);
    if (error.code === SdkErrorCode.UnsupportedResultType)
      return new ToolError(
        `The tool asks its user for something in the middle of a call, which is not possible here.`,
      );
  }
  return new OutcomeUnknown(
    `${reasonOf(server, error)} The call may or may not have taken effect; it was not repeated.`,
    {
      cause: error,
    },
  );
}

function reasonOf(server: string, error: unknown): string {
  const isLost =
    (error instanceof ProtocolError && error.code === ANSWER_LOST) ||
    (error instanceof SdkError && error.code === SdkErrorCode.ConnectionClosed);
  if (isLost) return `the connection to the tool server "${server}" was lost during this call.`;
  if (error instanceof SdkHttpError)
    return `the tool server "${server}" failed with HTTP status ${error.status}.`;
  return `the tool server "${server}" sent no answer that can be read.`;
}
