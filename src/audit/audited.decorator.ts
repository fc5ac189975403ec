import { SetMetadata, type CustomDecorator } from '@nestjs/common';

export const AUDITED = 'audit:action';

export interface AuditedOptions {
  /** Also when it is a GET that is allowed. */
  always?: boolean;
  /** Fields of the answer that the entry keeps: short words and lists of them, never what people say. */
  keep?: readonly string[];
}

export interface AuditedRoute extends AuditedOptions {
  action: string;
}

/**
 * How the audit names calls of this route. Without it they are audited too, under method and pattern.
 * @param action dotted, singular, what and then how: `run.start`. Whoever reads the audit compares it, so it stays.
 */
export const Audited = (action: string, options: AuditedOptions = {}): CustomDecorator =>
  SetMetadata(AUDITED, { action, ...options } satisfies AuditedRoute);
