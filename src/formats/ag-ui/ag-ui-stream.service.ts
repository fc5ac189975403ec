import { Injectable } from '@nestjs/common';
import { noteRefusal, noteTarget } from '../../audit/notes.js';
import type { AppError } from '../../errors/app-error.js';
import { type Exchange, type StreamContent, StreamResponse } from '../stream-response.service.js';
import type { AgUiEvent } from './ag-ui-event.js';
import { AgUiRuns, type BegunRun, RefusedInput } from './ag-ui.service.js';
import { readRun } from './read-run.js';
import type { RunAgentInput } from './requests.js';

/** Codes of ends after which the same request is worth another try. */
const RETRYABLE = new Set(['draining', 'unavailable', 'internal', 'storage_full']);

/** Answers requests with streams of AG-UI events, each of which ends with RUN_FINISHED or RUN_ERROR. */
@Injectable()
export class AgUiStream {
  constructor(
    private readonly runs: AgUiRuns,
    private readonly streams: StreamResponse,
  ) {}

  /** @throws AppError before the first byte; after it there are events only. */
  async answer(exchange: Exchange, input: RunAgentInput): Promise<void> {
    await this.streams.admit(exchange);
    const { principal, request } = exchange;
    const begun = await this.runs.begin(principal, input, request).catch((error: unknown) => {
      if (error instanceof RefusedInput) return error;
      throw error;
    });
    if (begun instanceof RefusedInput) {
      noteRefusal(request, begun.cause.code);
      return this.streams.write(exchange, {
        async *blocks() {},
        ending: () => blockOf(errorOf(begun.cause)),
      });
    }
    noteTarget(request, begun.run.id, begun.run.sessionId);
    return this.streams.write(exchange, new RunBlocks(begun));
  }
}

class RunBlocks implements StreamContent {
  private isWhole = false;

  constructor(private readonly begun: BegunRun) {}

  async *blocks(signal: AbortSignal): AsyncGenerator<string, void> {
    const { run, mapping, view, place } = this.begun;
    yield mapping.begin(run).map(blockOf).join('');
    for await (const events of readRun(mapping, view.batches(signal), place)) {
      this.isWhole = events.some(({ type }) => type === 'RUN_FINISHED' || type === 'RUN_ERROR');
      yield events.map(blockOf).join('');
    }
  }

  ending(error: AppError): string | undefined {
    return this.isWhole ? undefined : blockOf(errorOf(error));
  }
}

/** LF only, and JSON in one line: clients know no other form (AG-UI 1.0). */
function blockOf(event: AgUiEvent): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}

function errorOf({ message, code }: AppError): AgUiEvent {
  return { type: 'RUN_ERROR', message, code, metadata: { retryable: RETRYABLE.has(code) } };
}
