import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import type { Adapter, AdapterPayload, Configuration, JWKS, KoaContextWithOIDC } from 'oidc-provider';

export const CLIENT = { id: 'agentline', secret: 'the secret of a client in tests only' };

/** Claims of the person at the browser; `sub` says who it is. */
export interface Person {
  sub: string;
  [claim: string]: unknown;
}

/**
 * A certified OpenID provider in this process, where whoever comes is signed in as `person` and agrees to everything.
 * It may be away (`isAway`), and everything that it is asked is listed.
 */
export class TestProvider {
  person: Person = { sub: 'ada', email: 'ada@id.test', email_verified: true };
  isAway = false;
  /** Method and path of what was asked. */
  readonly asked: string[] = [];
  private handle: (request: IncomingMessage, response: ServerResponse) => unknown = (_request, response) =>
    response.writeHead(503).end();

  private constructor(private readonly server: Server) {
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.asked.push(`${request.method} ${request.url?.split('?')[0]}`);
      if (this.isAway) request.socket.destroy();
      else this.handle(request, response);
    });
  }

  static async listen(): Promise<TestProvider> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TestProvider(server);
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Begins to serve, for a client with these redirect addresses. */
  async serve(redirectUris: string[], configuration: Configuration = {}): Promise<void> {
    const { Provider } = await import('oidc-provider');
    const provider = new Provider(this.issuer, {
      clients: [{ client_id: CLIENT.id, client_secret: CLIENT.secret, redirect_uris: redirectUris }],
      adapter: newAdapter(),
      ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 60, IdToken: 60, Interaction: 60, Session: 60 },
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['tenant', 'groups'] },
      cookies: { keys: ['cookies of tests'] },
      features: { devInteractions: { enabled: false } },
      jwks: await newKeys('first'),
      findAccount: (_context, id) => ({ accountId: id, claims: () => ({ ...this.person }) }),
      interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
      loadExistingGrant: (context) => grantAll(context),
      ...configuration,
    });
    const callback = provider.callback();
    this.handle = (request, response) => {
      if (request.url?.startsWith('/interaction/') !== true) return callback(request, response);
      return provider.interactionFinished(request, response, { login: { accountId: this.person.sub } });
    };
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
  }
}

export async function newKeys(kid: string): Promise<JWKS> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { keys: [{ ...(await exportJWK(privateKey)), kid, use: 'sig', alg: 'RS256' }] };
}

async function grantAll({ oidc }: KoaContextWithOIDC) {
  const grant = new oidc.provider.Grant({
    clientId: oidc.client!.clientId,
    accountId: oidc.session!.accountId!,
  });
  grant.addOIDCScope('openid email profile');
  await grant.save();
  return grant;
}

/** The provider's storage, for as long as it serves; its own one warns in the output of every test. */
function newAdapter() {
  const rows = new Map<string, AdapterPayload>();
  const findBy = async (key: 'uid' | 'userCode', value: string) =>
    [...rows.values()].find((row) => row[key] === value);
  return (model: string): Adapter => {
    const find = async (id: string) => rows.get(`${model}:${id}`);
    return {
      upsert: async (id, payload) => void rows.set(`${model}:${id}`, payload),
      find,
      findByUid: (uid) => findBy('uid', uid),
      findByUserCode: (code) => findBy('userCode', code),
      consume: async (id) => void Object.assign((await find(id)) ?? {}, { consumed: Date.now() / 1000 }),
      destroy: async (id) => void rows.delete(`${model}:${id}`),
      revokeByGrantId: async (grantId) => {
        for (const [key, row] of rows) if (row.grantId === grantId) rows.delete(key);
      },
    };
  };
}
