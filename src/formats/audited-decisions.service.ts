import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { Audit } from '../audit/audit.service.js';
import { clientOf } from '../audit/client-of.js';
import { safeText } from '../audit/safe-text.js';
import { may } from '../auth/permissions.js';
import type { Principal } from '../auth/principal.js';
import { AppError } from '../errors/app-error.js';
import { DecisionsService } from '../runs/decisions.service.js';
import type { Run } from '../runs/run.js';

export interface CallDecision {
  toolCallId: string;
  decision: 'approve' | 'deny';
  reason: string | null;
}

/** Decisions that come with a request for a stream: they need the same permission as by their own route. */
@Injectable()
export class AuditedDecisions {
  constructor(
    private readonly decisions: DecisionsService,
    private readonly audit: Audit,
  ) {}

  /** @throws AppError `forbidden`, and what `DecisionsService.decide` throws. */
  async decide(principal: Principal, request: Request, run: Run, call: CallDecision): Promise<void> {
    if (!may(principal, 'decide')) throw new AppError('forbidden', 'You may not decide on tool calls.');
    const { toolCallId, decision, reason } = call;
    const { tool } = await this.decisions.decide(principal, run.id, toolCallId, { decision, reason });
    this.audit.record(
      {
        actor: principal,
        client: clientOf(request),
        action: 'tool_call.decide',
        target: run.id,
        outcome: 'allowed',
        code: null,
        details: { tool_call_id: safeText(toolCallId, 128), tool: safeText(tool, 128), decision },
      },
      false,
    );
  }
}
