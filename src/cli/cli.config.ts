const DEFAULT_URL = 'http://127.0.0.1:3000';

export interface CliSettings {
  url: string;
  /** An access token or an API key; without it e-mail and password are asked for. */
  token: string | undefined;
}

/** What the terminal client takes from its environment. Secrets stand nowhere else: arguments can be seen by everybody. */
export function cliSettings(): CliSettings {
  return {
    url: process.env['AGENTLINE_URL'] || DEFAULT_URL,
    token: process.env['AGENTLINE_TOKEN'] || undefined,
  };
}
