import { type CustomDecorator, SetMetadata } from '@nestjs/common';
import type { ErrorCode } from './error-codes.js';

export const REFUSALS = 'errors:refusals';

/**
 * Names refusals that only this route knows, for the description of the API. Those that many routes share (who is
 * asking, a body that is not valid, an id that names nothing, limits, a store that is away) are known there.
 */
export const Refuses = (...codes: ErrorCode[]): CustomDecorator => SetMetadata(REFUSALS, codes);
