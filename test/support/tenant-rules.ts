import type { SourceFile } from './source-tree.js';

/** Who may use what belongs to all tenants, and why that is right. */
export const ACROSS_TENANTS: Record<string, string> = {
  'audit/audit.repository.ts': 'writes and forgets what was done, whoever did it; sign-ins of nobody',
  'auth/api-key/api-key.repository.ts': 'finds by the secret who is asking',
  'auth/oidc/identity.repository.ts': 'finds by the provider who is asking',
  'auth/session/login.repository.ts': 'finds by the cookie who is asking',
  'auth/users/user.repository.ts':
    'finds by address or id who is asking; addresses are unique over all tenants',
  'event-log/sql/ended-run.repository.ts': 'forgets old logs',
  'event-log/sql/sql-event-log.ts': 'pages of all runs are one commit',
  'event-log/sql/page.repository.ts': 'the log’s store: runs by id, many in one statement',
  'runs/loop/tool-ledger.repository.ts': 'writes of who holds the run’s lease',
  'runs/queue/lease.repository.ts': 'takes the next run, whosever it is',
  'runs/run.repository.ts': 'notes which runs are watched, all in one statement',
  'runs/sub-agents/child-run.repository.ts': 'goes up and down from a run to those it started',
  'sessions/message.repository.ts': 'keeps a part of a message before the message exists',
  'sessions/shares/share.repository.ts': 'asks once for all who watch',
  'tools/workspace/workspace.repository.ts': 'tools of a run, and the sweep of what is left',
  'usage/left-call.repository.ts': 'books calls that nobody ended',
  'usage/model-call.repository.ts': 'calls by id, of who holds the run’s lease',
};

const REACHES = [
  '.acrossTenants',
  '.urgent',
  '.inProcess',
  '.withoutPlugins',
  '.withTables',
  '.$extendTables',
];
/** Raw SQL is not typed: only on a handle that says whose tables are meant. */
const RAW_ON_ALL = /\.execute\(\s*(?:this\.database\.kysely|kysely|on|trx)\s*,?\s*\)/;
/** Asks whether there is an answer, of no table. */
const ASKS_NOTHING = 'health/health.repository.ts';

/** What reaches rows of all tenants without a reason, one line each. */
export function offendersAcrossTenants(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path, area }) => area !== 'database' && !path.endsWith('.spec.ts'))
    .flatMap(({ path, accesses, text }) => {
      const reached = REACHES.filter((name) => accesses.has(name));
      const isListed = Object.hasOwn(ACROSS_TENANTS, path);
      return [
        ...(isListed ? [] : reached.map((name) => `${path} uses ${name}`)),
        ...(isListed && reached.length === 0 ? [`${path} is in the list and uses nothing of it`] : []),
        ...(RAW_ON_ALL.test(text) && path !== ASKS_NOTHING
          ? [`${path} executes raw SQL on tables of nobody`]
          : []),
      ];
    });
}
