import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { authConfig, type AuthConfig } from '../auth.config.js';

/** A key for HS256 is as long as its hash at least (RFC 7518 §3.2). */
const LEAST_BYTES = 32;

/** Tells at the start that tokens can be forged by who guesses the secret from one. In production it is refused. */
@Injectable()
export class ShortSecretWarning implements OnApplicationBootstrap {
  private readonly logger = new Logger(ShortSecretWarning.name);

  constructor(@Inject(authConfig.KEY) private readonly config: AuthConfig) {}

  onApplicationBootstrap(): void {
    const { secret, previousSecret } = this.config.jwt;
    for (const [name, value] of Object.entries({ JWT_SECRET: secret, JWT_SECRET_PREVIOUS: previousSecret })) {
      if (value === undefined || Buffer.byteLength(value) >= LEAST_BYTES) continue;
      this.logger.warn(
        `${name} is shorter than ${LEAST_BYTES} bytes: whoever guesses it can make tokens. Make one with "openssl rand -base64 48".`,
      );
    }
  }
}
