import { hasCode } from './errors/app-error.js';
import { EnvironmentError } from './errors/environment.js';
import { maskSecrets } from './telemetry/mask-secrets.js';

/** Says why there is no server, and ends the process. */
export function cannotStart(error: unknown): never {
  process.stderr.write(maskSecrets(explain(error)));
  process.exit(1);
}

/** What the operator can mend is one line; everything else keeps its stack. */
function explain(error: unknown): string {
  if (error instanceof EnvironmentError) return `Agentline cannot start: ${error.message}\n`;
  if (hasCode(error, 'storage_full')) return `Agentline cannot start: ${error.message}\n`;
  if (isPortInUse(error))
    return `Agentline cannot start: PORT ${error.port} is in use. Stop what uses it, or set another PORT.\n`;
  if (isNoAddress(error))
    return `Agentline cannot start: HOST is ${JSON.stringify(error.hostname ?? error.address)}, but takes an address or name of this machine.\n`;
  return `Agentline cannot start: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
}

function isPortInUse(error: unknown): error is Error & { port: number } {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE' && 'port' in error;
}

/** What `listen` says of a name that cannot be resolved, or of an address that is another machine's. */
function isNoAddress(error: unknown): error is Error & { hostname?: string; address?: string } {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return ['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL'].includes(String(error.code));
}
