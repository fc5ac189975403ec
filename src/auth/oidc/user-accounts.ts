import type { Role } from '../principal.js';
import type { User } from '../user.js';

/** What signing in with an identity provider needs of the accounts of this server. */
export abstract class UserAccounts {
  abstract find(id: string): Promise<User | undefined>;

  /** @param email in lower case. */
  abstract findByEmail(email: string): Promise<{ user: User } | undefined>;

  /** False when id or e-mail address are taken, in whichever tenant. */
  abstract insert(
    user: Pick<User, 'id' | 'tenantId' | 'email' | 'roles'> & { passwordHash: string },
  ): Promise<boolean>;

  /** The user after the change. */
  abstract update(id: string, tenantId: string, change: { roles: Role[] }): Promise<User | undefined>;
}
