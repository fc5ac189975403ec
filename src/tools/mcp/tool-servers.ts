import { z } from 'zod';
import { EnvironmentError } from '../../errors/environment.js';
import { rememberSecrets } from '../../telemetry/mask-secrets.js';
import { AddressGuard } from '../address-guard.js';
import { publicUrl } from '../public-url.js';
import { ToolError } from '../tool-error.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** A tool server of the configuration, with all references to variables resolved. */
export interface ToolServer {
  /** Begins the names of its tools. */
  name: string;
  endpoint: HttpEndpoint | StdioEndpoint;
  /** Its own names of the tools that may be offered; all when not given. */
  tools?: readonly string[];
  approval: (tool: string) => 'always' | 'never';
  timeoutMs?: number;
  /**
   * Its own names of the tools that may run twice. Only what the operator says here counts: the annotations
   * `readOnlyHint` and `idempotentHint` are claims of the server (MCP: "clients MUST consider tool annotations to be
   * untrusted"), and a wrong one would repeat an effect after a crash.
   */
  idempotent: readonly string[];
}

/** Streamable HTTP. */
export interface HttpEndpoint {
  kind: 'http';
  url: string;
  headers: Record<string, string>;
  /** The operator says that this server is inside. Never opens link-local addresses or metadata services. */
  allowPrivate: boolean;
}

/** A child process, started without a shell; `env` is all that it gets. */
export interface StdioEndpoint {
  kind: 'stdio';
  command: string;
  args: readonly string[];
  env: Record<string, string>;
  cwd?: string;
}

const MAX_SERVERS = 64;
const NAME = /^[a-z0-9-]{1,32}$/;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** The transport's own; one of them set wrong breaks the connection or what the address rules stand on. */
const RESERVED_HEADER =
  /^(host|connection|content-length|content-type|transfer-encoding|upgrade|te|expect|accept|accept-encoding|mcp-.*)$/i;
const REFERENCE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;
// Control characters would end a header or a variable early.
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

const approval = z.enum(['always', 'never']);
const toolNames = z.array(z.string().min(1).max(256)).max(1000);
const settings = {
  tools: toolNames.optional(),
  approval: z
    .union([approval, z.record(z.string(), approval)], 'takes "always", "never" or {"<tool>": …}')
    .optional(),
  timeout_ms: z.int().min(10).max(86_400_000).optional(),
  idempotent: toolNames.optional(),
};
const headerName = z
  .string()
  .regex(HEADER_NAME, 'is no name of a header')
  .refine((name) => !RESERVED_HEADER.test(name), 'is set by the transport');
const httpServer = z.strictObject({
  url: z.string().max(2048),
  headers: z.record(headerName, z.string()).optional(),
  allow_private: z.boolean().optional(),
  ...settings,
});
const stdioServer = z.strictObject({
  command: z.string().min(1),
  args: z.array(z.string()).optional(),
  env: z.record(z.string().regex(/^[^=\0]+$/, 'is no name of a variable'), z.string()).optional(),
  cwd: z.string().min(1).optional(),
  ...settings,
});

/**
 * Reads the JSON of `variable`. `${NAME}` in the values of `headers` and `env` stands for that variable, so that no
 * secret has to be in the JSON.
 * @throws EnvironmentError with one line for each thing that is wrong; no line repeats a value.
 */
export function readServers(variable: string, json: string, env: Environment): ToolServer[] {
  const given = parseJson(variable, json);
  const problems: string[] = [];
  const servers = Object.entries(given).flatMap(([name, value]) => {
    const reader = new ServerReader(name, env);
    const server = reader.read(value);
    problems.push(...reader.problems);
    return server === undefined ? [] : [server];
  });
  if (servers.length > MAX_SERVERS) problems.push(`${servers.length} servers: ${MAX_SERVERS} at most`);
  if (problems.length === 0) return servers;
  throw new EnvironmentError([`${variable} cannot be used:`, ...problems].join('\n  '));
}

function parseJson(variable: string, json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    // The parser's message repeats a part of the text, and that may be a secret: only the place is told.
    const place =
      error instanceof Error
        ? /at position \d+( \(line \d+ column \d+\))?/.exec(error.message)?.[0]
        : undefined;
    throw new EnvironmentError(`${variable} is not JSON${place === undefined ? '' : `: an error ${place}`}.`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new EnvironmentError(`${variable} takes a JSON object: {"<name>": {"url": …} or {"command": …}}.`);
}

class ServerReader {
  readonly problems: string[] = [];

  constructor(
    private readonly name: string,
    private readonly env: Environment,
  ) {}

  read(value: unknown): ToolServer | undefined {
    if (!NAME.test(this.name)) {
      this.problems.push(
        `${JSON.stringify(this.name.slice(0, 64))} is a bad name: 1 to 32 of a-z, 0-9 and "-"`,
      );
      return undefined;
    }
    return isObject(value) && 'command' in value ? this.stdio(value) : this.http(value);
  }

  private http(value: unknown): ToolServer | undefined {
    const server = this.parse(httpServer, value);
    if (server === undefined) return undefined;
    const allowPrivate = server.allow_private ?? false;
    const url = this.url(server.url, allowPrivate);
    const headers = this.resolve('headers', server.headers ?? {});
    return { ...this.settings(server), endpoint: { kind: 'http', url, headers, allowPrivate } };
  }

  private stdio(value: unknown): ToolServer | undefined {
    const server = this.parse(stdioServer, value);
    if (server === undefined) return undefined;
    const { command, args = [], cwd } = server;
    // Without PATH most commands are not found. Nothing else of ours is handed on.
    const path = this.env['PATH'];
    const env = { ...(path === undefined ? {} : { PATH: path }), ...this.resolve('env', server.env ?? {}) };
    const place = cwd === undefined ? {} : { cwd };
    return { ...this.settings(server), endpoint: { kind: 'stdio', command, args, env, ...place } };
  }

  private settings(given: z.output<z.ZodObject<typeof settings>>): Omit<ToolServer, 'endpoint'> {
    const asked = given.approval ?? 'never';
    return {
      name: this.name,
      ...(given.tools === undefined ? {} : { tools: given.tools }),
      approval: (tool) =>
        typeof asked === 'string' ? asked : (new Map(Object.entries(asked)).get(tool) ?? 'never'),
      ...(given.timeout_ms === undefined ? {} : { timeoutMs: given.timeout_ms }),
      idempotent: given.idempotent ?? [],
    };
  }

  private parse<S extends z.ZodType>(schema: S, value: unknown): z.output<S> | undefined {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    for (const { path, message } of parsed.error.issues) this.problem(path.map(String), message);
    return undefined;
  }

  private url(text: string, allowPrivate: boolean): string {
    try {
      const url = publicUrl(text, new AddressGuard({ inside: allowPrivate }));
      if (url.protocol !== 'https:' && !allowPrivate)
        this.problem(['url'], 'takes https; http only with "allow_private": true');
      return url.href;
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      this.problem(['url'], error.message);
      return text;
    }
  }

  private resolve(field: string, values: Record<string, string>): Record<string, string> {
    return Object.fromEntries(
      Object.entries(values).map(([key, value]) => {
        const text = value.replace(REFERENCE, (_, name: string) => {
          const found = this.env[name];
          if (found === undefined) this.problem([field, key], `the variable ${name} is not set`);
          rememberSecrets([found ?? '']);
          return found ?? '';
        });
        if (CONTROL.test(text)) this.problem([field, key], 'has a control character');
        return [key, text];
      }),
    );
  }

  private problem(path: readonly string[], message: string): void {
    this.problems.push(`${[this.name, ...path].join('.')}: ${message}`);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
