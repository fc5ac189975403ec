import { join } from 'node:path';
import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { readEnvironment } from '../../errors/environment.js';

export const workspaceConfig = registerAs('workspace', () => {
  const given = readEnvironment(process.env, {
    DATA_DIR: z.string().default('.data').describe('a folder'),
    WORKSPACE_DIR: z
      .string()
      .optional()
      .describe(
        'a folder; nodes that share a database must share it, since a session may work on any of them',
      ),
  });
  return {
    /** The workspaces of all sessions are in it. */
    folder: given.WORKSPACE_DIR ?? join(given.DATA_DIR, 'workspaces'),
    /** Set when the operator has chosen it: it is looked at before the server starts. */
    isChosen: given.WORKSPACE_DIR !== undefined,
  };
});

export type WorkspaceConfig = ConfigType<typeof workspaceConfig>;
