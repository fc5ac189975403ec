import { Injectable } from '@nestjs/common';
import type { RunEventData } from '../event-log/run-event.js';
import { Dispatcher } from '../runs/dispatcher.service.js';
import { OnRunEvent } from '../runs/on-run-event.decorator.js';
import { Metrics } from '../telemetry/metrics.js';

/** Counts runs like any other listener: from what they say. */
@Injectable()
export class RunMetrics {
  constructor(
    private readonly metrics: Metrics,
    dispatcher: Dispatcher,
  ) {
    metrics.countActiveRuns = () => dispatcher.activeRuns;
  }

  @OnRunEvent('done')
  count({ data: { status } }: { data: RunEventData<'done'> }): void {
    this.metrics.runsTotal.inc({ status });
  }
}
