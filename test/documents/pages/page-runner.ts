import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { until } from '../../support/until.js';
import { applyRecipes } from '../fenced-blocks.js';
import { StartedServer } from '../started-server.js';
import { TreeCopy, type Ending } from '../tree-copy.js';
import { contentOf, fileOf, kindOf } from './block-kind.js';
import { expectJson, expectOutput } from './expected.js';
import type { PageBlock } from './page-blocks.js';
import { PageShell } from './page-shell.js';

export interface PageOptions {
  /** For every server that the page starts. */
  env?: Record<string, string>;
  /** Longest time of one block, in milliseconds; 120 s when not given. */
  blockMs?: number;
  /** Its reader presses Ctrl-C twice before starting again, and does not wait for runs. */
  isHasty?: boolean;
  /** Blocks of other languages, by language. What is thrown fails the block's test. */
  runners?: Record<string, (block: PageBlock, runner: PageRunner) => Promise<void> | void>;
}

const ADDRESS = /\b(127\.0\.0\.1|localhost):([38]\d{3})\b/g;
/** A port that a page gives its server. */
const PORT = /\bPORT=(\d{4})\b/g;
const BANNER = /Agentline is ready\.\n[^]*?\n\n/;
/** Where a server listens that is given none. */
const USUAL = '3000';

/** Does what a page says, block by block, in a copy of the tree. Only ports are not taken to the letter. */
export class PageRunner {
  readonly copy = new TreeCopy();
  readonly shell: PageShell;
  /** What the last block that was run has written. */
  said = '';
  /** By the port that the page gives them. */
  private readonly servers = new Map<string, StartedServer>();

  private constructor(
    private readonly ports: ReadonlyMap<string, number>,
    readonly options: PageOptions,
  ) {
    // Where the clients would ask the usual port; npx leaves something for every folder in which it was run.
    const npm = { npm_config_cache: join(this.copy.temporary, 'npm') };
    this.shell = new PageShell(this.copy, { AGENTLINE_URL: this.url(), ...npm });
  }

  static async open(blocks: readonly PageBlock[], options: PageOptions = {}): Promise<PageRunner> {
    const text = blocks.map((block) => block.text).join('');
    const named = [...text.matchAll(ADDRESS)].map(([, , port = '']) => port);
    const given = [...text.matchAll(PORT)].map(([, port = '']) => port);
    const ports = new Map<string, number>();
    for (const port of new Set([USUAL, ...named, ...given])) ports.set(port, await freePort());
    return new PageRunner(ports, options);
  }

  /** Address of the page's server, or of the one to which the page gives that port. */
  url(port = USUAL): string {
    return `http://127.0.0.1:${this.ports.get(port)}`;
  }

  server(port = USUAL): StartedServer {
    return this.servers.get(port)!;
  }

  async run(block: PageBlock): Promise<void> {
    const own = this.options.runners?.[block.language];
    if (own !== undefined) return own(block, this);
    const text = this.here(block.text);
    switch (kindOf(block)) {
      case 'server':
        return this.start(block);
      case 'shell':
        return this.finish(await this.shell.run(text, this.ms));
      case 'node':
        return this.finish(await this.runScript(block.language, text));
      case 'output':
        return expectOutput(this.said, text);
      case 'json':
        return expectJson(this.said, text);
      case 'file':
        return this.copy.write(fileOf(block)!, this.here(contentOf(block)));
      case 'change':
        applyRecipes(`\`\`\`diff\n${block.text}\`\`\`\n`, this.copy);
        return;
      default:
        throw new Error(`nobody runs the block of line ${block.line} (${block.language})`);
    }
  }

  async close(): Promise<void> {
    try {
      for (const server of this.servers.values()) await server.stop();
    } finally {
      this.copy.remove();
    }
  }

  private get ms(): number {
    return this.options.blockMs ?? 120_000;
  }

  /** A second start is that of a reader who has ended the first with Ctrl-C. */
  private async start({ text }: PageBlock): Promise<void> {
    const port = /\bPORT=(\d{4})\b/.exec(text)?.[1] ?? USUAL;
    await this.servers.get(port)?.interrupt(this.options.isHasty === true ? 2 : 1);
    const lines = this.here(text).trim().split('\n');
    lines.push(`exec env ${lines.pop() ?? ''}`);
    const command = ['bash', '-c', this.shell.beginning + lines.join('\n')];
    const env = { PORT: String(this.ports.get(port)), ...this.options.env };
    const server = await StartedServer.start(this.copy, env, command);
    this.servers.set(port, server);
    this.said = await until('the whole banner', () => BANNER.exec(server.output)?.[0]);
  }

  private async runScript(language: string, text: string): Promise<Ending> {
    const type = language === 'ts' ? 'module-typescript' : 'module';
    const command = [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      `--input-type=${type}`,
      '-e',
      text,
    ];
    return this.copy.run(command, await this.shell.exported(), this.ms);
  }

  private finish({ code, stdout, stderr }: Ending): void {
    this.said = stdout;
    if (code !== 0) throw new Error(`ended with ${code}\n${stderr}\n${stdout}`);
  }

  private here(text: string): string {
    return text
      .replaceAll(ADDRESS, (_, host: string, port: string) => `${host}:${this.ports.get(port)}`)
      .replaceAll(PORT, (_, port: string) => `PORT=${this.ports.get(port)}`);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
