import { hash, verify } from '@node-rs/argon2';
import { AppError } from '../../errors/app-error.js';
import { FairQueue } from './fair-queue.js';

/** Hashes at a time: each takes 19 MiB and a thread of the pool that files and name resolution share. */
const CONCURRENCY = 2;

/** Argon2id as OWASP's password storage cheat sheet has it (2026): 19 MiB, 2 passes, 1 lane. */
const OPTIONS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** The hash of a password that nobody has, made with the same cost. */
export const DUMMY_HASH =
  '$argon2id$v=19$m=19456,t=2,p=1$PwDJhv7zdF0Y7DV6hXTrGw$EJbGmAPkSY0dVqJTDkaPEjHxTwfD+Pv7SZQmMBXJcpY';

/** Makes and checks password hashes, two at a time; a crowd is refused with `too_many_requests`. */
export class Passwords {
  private readonly queue = new FairQueue(CONCURRENCY);

  /**
   * The hash in PHC string format, with its salt and cost.
   * @param account whose turn it is to be counted as.
   */
  hash(password: string, account = ''): Promise<string> {
    return this.enqueue(account, () => hash(normalize(password), OPTIONS));
  }

  /**
   * Takes the same time whether there is a hash or not, so that nobody learns which accounts exist.
   * @param passwordHash empty: the account has no password, and none fits.
   * @param account whose turn it is to be counted as, whether it exists or not.
   */
  async matches(password: string, passwordHash = '', account = ''): Promise<boolean> {
    const work = () => verify(passwordHash || DUMMY_HASH, normalize(password));
    return (await this.enqueue(account, work)) && passwordHash !== '';
  }

  private async enqueue<T>(account: string, work: () => Promise<T>): Promise<T> {
    const done = this.queue.add(account, work);
    if (done !== undefined) return done;
    throw new AppError('too_many_requests', 'Too many people are signing in. Try again in a moment.', {
      retryAfter: 2,
    });
  }
}

/** The same password from every keyboard (NIST SP 800-63B §3.1.1.2). */
function normalize(password: string): string {
  return password.normalize('NFKC');
}
