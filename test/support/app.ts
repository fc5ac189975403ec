import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './build.js';
import { ServerProcess } from './server-process.js';
import { TEST_ENV } from './test-env.js';

/** A server under test, wherever it runs. */
export interface RunningApp {
  readonly url: string;
  stop(): Promise<void>;
}

/** What `src/app.setup.ts` gives: the application with everything that every instance gets, not yet listening. */
interface AppSetup {
  createApp: () => Promise<{
    listen: (port: number, host: string) => Promise<unknown>;
    close: () => Promise<void>;
    getUrl: () => Promise<string>;
  }>;
}

/**
 * Starts the application inside this process on a free port and a new folder. The variables are set while it
 * is made, and put back afterwards.
 */
export async function startApp(env: Record<string, string | undefined> = {}): Promise<RunningApp> {
  const setup = join(ROOT, 'src', 'app.setup.ts');
  if (!existsSync(setup)) return ServerProcess.start({ env });
  const dataDir = mkdtempSync(join(tmpdir(), 'agentline-test-'));
  const restore = setVariables({
    ...TEST_ENV,
    DATA_DIR: dataDir,
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'silent',
    ...env,
  });
  try {
    const { createApp } = (await import(setup)) as AppSetup;
    const app = await createApp();
    await app.listen(0, '127.0.0.1');
    const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
    const stop = async () => {
      await app.close();
      rmSync(dataDir, { recursive: true, force: true });
    };
    return { url, stop };
  } finally {
    restore();
  }
}

function setVariables(variables: Record<string, string | undefined>): () => void {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  apply(Object.entries(variables));
  return () => apply(before);
}

function apply(variables: (readonly [string, string | undefined])[]): void {
  for (const [name, value] of variables) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}
