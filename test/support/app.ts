import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DynamicModule, Type } from '@nestjs/common';
import { TEST_ENV } from './test-env.js';

/** A server under test, wherever it runs. */
export interface RunningApp {
  readonly url: string;
  stop(): Promise<void>;
}

/** A module of a test that stands around the application: tools of its own, for example. */
export type Around = (application: Type) => DynamicModule;

/**
 * Starts the application inside this process on a free port and a new folder. The variables are set while it
 * is made, and put back afterwards.
 */
export async function startApp(
  env: Record<string, string | undefined> = {},
  around?: Around,
): Promise<RunningApp> {
  const dataDir = mkdtempSync(join(tmpdir(), 'agentline-test-'));
  const restore = setVariables({
    ...TEST_ENV,
    DATA_DIR: dataDir,
    HOST: '127.0.0.1',
    LOG_LEVEL: 'silent',
    ...env,
  });
  try {
    const { createApp } = await import('../../src/app.setup.js');
    const { AppModule } = await import('../../src/app.module.js');
    const app = await createApp(around ? around(AppModule) : AppModule);
    await app.listen(0, '127.0.0.1');
    const stop = async () => {
      await app.close();
      rmSync(dataDir, { recursive: true, force: true });
    };
    return { url: await app.getUrl(), stop };
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
