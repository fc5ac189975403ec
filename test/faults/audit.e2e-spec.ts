import { afterEach, describe, expect, it } from '@jest/globals';
import { Api, expectStatus, tokenFor } from '../support/api.js';
import { ServerProcess } from '../support/server-process.js';
import { TEST_ENV } from '../support/test-env.js';
import { within } from '../support/until.js';

const ENDS = 4;

let server: ServerProcess | undefined;

afterEach(() => server?.stop());

describe('SIGTERM right after a refused call', () => {
  it('ends the server with 0, and the audit has the refusal', async () => {
    server = await ServerProcess.start();
    for (let end = 0; end < ENDS; end += 1) {
      if (end > 0) await server.restart();
      expect((await fetch(`${server.url}/api/agent/sessions/${end}`)).status).toBe(401);
      server.kill('SIGTERM');
      expect(await within(20_000, 'the server to exit', server.exited)).toEqual({ code: 0, signal: null });
    }
    await server.restart();

    const root = new Api(
      server.url,
      await tokenFor(server.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD),
    );
    const path = '/api/admin/audit?outcome=refused';
    const { data } = expectStatus(await root.call<{ data: unknown[] }>('GET', path), 200).body;
    expect(data).toHaveLength(ENDS);
  });
});
