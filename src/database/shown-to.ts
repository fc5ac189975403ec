import { type Expression, expressionBuilder, type SqlBool } from 'kysely';
import type { Schema } from './schema.js';

/** In the place of a user: everybody of the tenant. */
export const EVERYBODY = '*';

/** Of a query over `sessions`: those that others show to the user, and those of their sub-agents. */
export function isSessionShownTo(userId: string): Expression<SqlBool> {
  const eb = expressionBuilder<Schema, 'sessions'>();
  return eb.or([
    eb.exists(
      eb
        .selectFrom('session_shares as share')
        .select('share.session_id')
        .whereRef('share.session_id', '=', 'sessions.id')
        .where('share.user_id', 'in', [userId, EVERYBODY]),
    ),
    eb.exists(
      eb
        .selectFrom('runs as parent')
        .innerJoin('runs as root', (join) =>
          join.on((on) => on('root.id', '=', on.fn.coalesce('parent.root_run_id', 'parent.id'))),
        )
        .innerJoin('session_shares as share', 'share.session_id', 'root.session_id')
        .select('share.session_id')
        .whereRef('parent.id', '=', 'sessions.parent_run_id')
        .where('share.user_id', 'in', [userId, EVERYBODY]),
    ),
  ]);
}

/** Of a query over `runs`: those of such sessions. */
export function isRunShownTo(userId: string): Expression<SqlBool> {
  const eb = expressionBuilder<Schema, 'runs'>();
  return eb.or([
    eb.exists(
      eb
        .selectFrom('session_shares as share')
        .select('share.session_id')
        .whereRef('share.session_id', '=', 'runs.session_id')
        .where('share.user_id', 'in', [userId, EVERYBODY]),
    ),
    eb.exists(
      eb
        .selectFrom('runs as root')
        .innerJoin('session_shares as share', 'share.session_id', 'root.session_id')
        .select('share.session_id')
        .whereRef('root.id', '=', 'runs.root_run_id')
        .where('share.user_id', 'in', [userId, EVERYBODY]),
    ),
  ]);
}
