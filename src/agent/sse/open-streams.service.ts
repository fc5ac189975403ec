import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import type { Principal } from '../../auth/principal.js';
import { Limits } from '../../limits/limits.service.js';
import { Metrics } from '../../telemetry/metrics.js';
import { LostPeers } from './lost-peers.js';
import { StreamAdmission } from './stream-admission.middleware.js';

/** The streams that are open now: bounded, counted, and freed when their peers are lost. */
@Injectable()
export class OpenStreams {
  constructor(
    private readonly metrics: Metrics,
    private readonly admission: StreamAdmission,
    private readonly lostPeers: LostPeers,
    private readonly limits: Limits,
  ) {}

  /**
   * Takes one of the principal's streams for this response, until it is closed, whoever closes it and why.
   * @throws AppError `too_many_requests`
   */
  async admit(principal: Principal, response: Response): Promise<void> {
    const release = await this.limits.openStream(principal);
    if (response.closed) release();
    else response.once('close', release);
  }

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
