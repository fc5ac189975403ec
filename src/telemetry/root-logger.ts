import { pino, type DestinationStream, type LevelWithSilent, type LogFn, type Logger } from 'pino';
import { build as prettyStream } from 'pino-pretty';
import { encodeControls, encodeForTerminal } from './encode-controls.js';
import { maskSecrets, rememberSecrets } from './mask-secrets.js';

/** Names under which credentials and bodies travel; what carries one is logged without it. */
const SECRETS = [
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'ticket',
  'access_token',
  'token',
  'body',
];

/** Where objects with such fields are met: the line itself, headers, requests, errors. */
const HOLDERS = ['', '*', 'headers', 'req.headers', 'res.headers', 'err.headers', 'err.config.headers'];

/** Parts of Nest that tell each module and route at the start: sixty lines that nobody asked for. */
const WIRING = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'WebSocketsController',
]);

export interface RootLoggerOptions {
  level: LevelWithSilent;
  /** One short line for a person instead of JSON. */
  pretty: boolean;
  /** Of the configuration; no line repeats them. */
  secrets?: readonly string[];
}

/** The logger from which all others come. Writes to standard output; `out` is for tests. */
export function rootLogger(
  options: RootLoggerOptions,
  out?: DestinationStream & NodeJS.WritableStream,
): Logger {
  rememberSecrets(options.secrets ?? []);
  const encode = options.pretty ? encodeForTerminal : encodeControls;
  const stream = options.pretty
    ? prettyStream({
        destination: out ?? 1,
        sync: true,
        colorize: out === undefined,
        singleLine: true,
        translateTime: 'SYS:HH:MM:ss.l',
        ignore: 'pid,hostname,context,req.id,req.user_agent,req.remote_address',
        messageFormat: (log, key) => [log.context, log[key]].filter(Boolean).map(oneLine).join(' · '),
      })
    : (out ?? pino.destination({ fd: 1, sync: true }));
  return pino(
    {
      level: options.level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: HOLDERS.flatMap((holder) => SECRETS.map((name) => at(holder, name))),
        censor: '[redacted]',
      },
      hooks: { streamWrite: (line) => encode(maskSecrets(line)), logMethod: lowerWiring },
    },
    stream,
  );
}

function at(holder: string, name: string): string {
  const key = name.includes('-') ? `["${name}"]` : name;
  return key.startsWith('[') || holder === '' ? `${holder}${key}` : `${holder}.${key}`;
}

function oneLine(value: unknown): string {
  return String(value).replaceAll('\n', '\\n');
}

/** What Nest tells while it wires the application comes with `debug` instead of `info`. */
function lowerWiring(this: Logger, args: Parameters<LogFn>, log: LogFn, level: number): void {
  const [first] = args as unknown[];
  const isWiring =
    typeof first === 'object' && first !== null && 'context' in first && WIRING.has(String(first.context));
  if (level === pino.levels.values['info'] && isWiring) this.debug(...args);
  else log.apply(this, args);
}
