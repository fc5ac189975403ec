/** `agentline/errors`: what is thrown on purpose, and shown to the caller as problem details. */
export { AppError, type AppErrorOptions, hasCode } from '../errors/app-error.js';
export { ERROR_CODES, type ErrorCode } from '../errors/error-codes.js';
