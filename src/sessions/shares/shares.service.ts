import { Injectable } from '@nestjs/common';
import type { Owner } from '../../auth/principal.js';
import { EVERYBODY } from '../../database/shown-to.js';
import { SessionRepository } from '../session.repository.js';
import { ShareRepository } from './share.repository.js';
import { ShareWatch } from './share-watch.service.js';

/** Whom a session is shown to: everybody of its owner's tenant, or these users of it. */
export type Audience = 'tenant' | string[];

/** Lets others of the tenant watch a session. They see what happens in it, and change nothing. */
@Injectable()
export class Shares {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly shares: ShareRepository,
    private readonly watch: ShareWatch,
  ) {}

  /** @throws AppError `not_found`; `forbidden` for who only watches the session. */
  async find(owner: Owner, sessionId: string): Promise<Audience> {
    const { id } = await this.sessions.require(owner, sessionId);
    return audienceOf(await this.shares.list(owner, id));
  }

  /**
   * From now on these alone; whom it is not shown to any more stops seeing it, at once or within seconds.
   * Whether the users exist is not told: an identity provider may know those that have never been here.
   * @throws AppError `not_found`; `forbidden` for who only watches the session.
   */
  async replace(owner: Owner, sessionId: string, audience: Audience): Promise<Audience> {
    const { id } = await this.sessions.require(owner, sessionId);
    const userIds =
      audience === 'tenant' ? [EVERYBODY] : [...new Set(audience)].filter((each) => each !== owner.userId);
    if (!(await this.shares.replace(owner, id, userIds))) await this.sessions.require(owner, sessionId);
    await this.watch.look();
    return audienceOf(userIds.toSorted());
  }
}

function audienceOf(userIds: string[]): Audience {
  return userIds.includes(EVERYBODY) ? 'tenant' : userIds;
}
