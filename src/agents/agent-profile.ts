import type { Principal } from '../auth/principal.js';

/** How much a model thinks before it answers, where it can. */
export type Effort = 'low' | 'medium' | 'high' | 'max';

type Answer = 'always' | 'never' | boolean;

/** As a tool declares it (`tools/tool.ts`). */
export type ApprovalRule =
  | 'always'
  | 'never'
  | ((
      args: unknown,
      principal: Pick<Principal, 'userId' | 'tenantId' | 'email' | 'roles'>,
    ) => Answer | Promise<Answer>);

/** A named way of working: what a session, a run or a sub-agent is started with. */
export interface AgentProfile {
  /** Lower-case letters, digits and `-`. Unique in the application. */
  name: string;
  /** For people and for models that choose a sub-agent. */
  description: string;
  /** Used where the session names none; the server's default when not given. */
  model?: string;
  /** System prompt, used where the session has none of its own. */
  system?: string;
  effort?: Effort;
  /** Names of tools; one that ends in `*` stands for all that begin like it. All when not given. */
  tools?: readonly string[];
  limits?: AgentLimits;
  /** For tools by name (or beginning, with `*`): asks a person for more than the tool itself does, never for less. */
  approval?: Readonly<Record<string, ApprovalRule>>;
}

/** Bounds of one run; those of the server hold as well. */
export interface AgentLimits {
  maxTurns?: number;
  maxToolCalls?: number;
  /** Upper bound of one answer, in tokens. */
  maxTokens?: number;
  /** Of all its model calls, in USD. */
  usd?: number;
  /** Of all its model calls, input and output. */
  tokens?: number;
}

/** What several profiles say of a tool together: a person is asked where one of them wants it. */
export function strictestRule(profiles: readonly AgentProfile[], tool: string): ApprovalRule | undefined {
  const rules = profiles.map((profile) => approvalRule(profile, tool)).filter((rule) => rule !== undefined);
  if (rules.includes('always')) return 'always';
  if (rules.length < 2) return rules[0];
  return async (args, principal) => {
    for (const rule of rules) {
      const answer = typeof rule === 'function' ? await rule(args, principal) : rule;
      if (answer !== 'never' && answer !== false) return true;
    }
    return false;
  };
}

/** What a profile says of a tool: by its name, else by the longest beginning that fits. */
function approvalRule({ approval = {} }: AgentProfile, tool: string): ApprovalRule | undefined {
  if (Object.hasOwn(approval, tool)) return approval[tool];
  const fitting = Object.keys(approval)
    .filter((pattern) => pattern.endsWith('*') && tool.startsWith(pattern.slice(0, -1)))
    .toSorted((a, b) => b.length - a.length);
  return approval[fitting[0] ?? ''];
}
