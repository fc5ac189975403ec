import { AgentlineClient, AgentlineError } from '../client/agentline-client.js';
import type { Keyboard } from './keyboard.js';

const TRIES = 3;

export interface Server {
  url: string;
  token: string | undefined;
  transport: 'sse' | 'websocket';
}

/** There is nobody who could sign in. */
export class NotSignedIn extends Error {}

/**
 * The client of a user of the server, by token or with what is asked for; neither is ever written anywhere.
 * @throws AgentlineError when the server refuses, NotSignedIn when there is no answer.
 */
export async function signIn(
  { url, token, transport }: Server,
  keyboard: Keyboard,
): Promise<AgentlineClient> {
  const client = new AgentlineClient({ url, token, transport });
  if (token !== undefined) {
    await client.me();
    return client;
  }
  for (let tries = 1; ; tries += 1) {
    const email = await keyboard.ask('E-mail: ');
    const password = email === undefined ? undefined : await keyboard.ask('Password: ', { hidden: true });
    if (email === undefined || password === undefined) {
      throw new NotSignedIn('Not signed in: set AGENTLINE_TOKEN, or answer with e-mail and password.');
    }
    try {
      await client.signIn(email.trim(), password);
      return client;
    } catch (error) {
      const isWrong = error instanceof AgentlineError && error.status === 401;
      if (!isWrong || !keyboard.isPerson || tries === TRIES) throw error;
      process.stderr.write(`${error.message}\n`);
    }
  }
}
