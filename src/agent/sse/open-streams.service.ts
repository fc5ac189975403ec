import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { Metrics } from '../../telemetry/metrics.js';
import { LostPeers } from './lost-peers.js';
import { StreamAdmission } from './stream-admission.middleware.js';

/** The streams that are open now: counted, and freed when their peers are lost. */
@Injectable()
export class OpenStreams {
  constructor(
    private readonly metrics: Metrics,
    private readonly admission: StreamAdmission,
    private readonly lostPeers: LostPeers,
  ) {}

  /** @returns to be called when the stream has ended. */
  opened(response: Response): () => void {
    this.admission.opened(response);
    this.metrics.streamsOpen.inc({ transport: 'sse' });
    const forget = response.socket ? this.lostPeers.watch(response.socket) : () => {};
    return () => {
      forget();
      this.metrics.streamsOpen.dec({ transport: 'sse' });
    };
  }
}
