import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Request, Response } from 'express';
import { noteActor } from '../audit/notes.js';
import { AppError } from '../errors/app-error.js';
import { OriginPolicy } from './origin/origin-policy.js';
import { ApplicationPassport } from './passport.service.js';
import type { Principal } from './principal.js';
import { SessionMiddleware } from './session/session.middleware.js';
import { Tickets } from './ticket/tickets.service.js';

/** The one place that turns a request into a principal, for HTTP and for sockets. */
@Injectable()
export class Authenticator {
  constructor(
    private readonly passport: ApplicationPassport,
    private readonly sessions: SessionMiddleware,
    private readonly tickets: Tickets,
    private readonly origins: OriginPolicy,
    private readonly adapter: HttpAdapterHost,
  ) {}

  /**
   * Who sends this HTTP request. Says nothing about where it comes from or what it may do: that is the guard's.
   * @param acceptsTicket whether `?ticket=` counts; it is used up.
   * @throws AppError `unauthenticated`; `mixed_credentials` when two credentials name different users;
   * `invalid_request` for several tokens; `unavailable` when tokens cannot be checked now.
   */
  async authenticate(request: Request, acceptsTicket = false): Promise<Principal> {
    return (await this.identify(request, acceptsTicket)).principal;
  }

  /**
   * The same before anything else has looked at the request, for whoever does not want to read it otherwise. Its
   * session is there afterwards, for all who come later.
   * @throws what `authenticate` throws.
   */
  async authenticateFirst(request: Request, response: Response): Promise<Principal> {
    await this.sessions.read(request, response);
    return this.authenticate(request);
  }

  /**
   * Who opens this socket: cookie with an allowed Origin, `Authorization: Bearer`, the subprotocol
   * `bearer.<token>`, or `?ticket=`. To be called before the upgrade, with the request that Node hands to
   * `upgrade`.
   * @throws what `authenticate` throws, and AppError `cross_site` for a cookie from another site's page.
   */
  async authenticateHandshake(handshake: IncomingMessage): Promise<Principal> {
    const request = this.asExpress(handshake);
    await this.sessions.read(request);
    const { principal, cookie } = await this.identify(request, true);
    if (cookie !== undefined) this.origins.checkSocket(request, principal.via === 'cookie');
    return principal;
  }

  /** The explicit proof counts before the cookie, which browsers send unasked; but never one of another user. */
  private async identify(
    request: Request,
    acceptsTicket: boolean,
  ): Promise<{ principal: Principal; cookie: Principal | undefined }> {
    const bearer = await this.passport.byBearer(request);
    const ticket = acceptsTicket && bearer === undefined ? await this.byTicket(request) : undefined;
    const cookie = await this.passport.bySession(request);
    const principal = bearer ?? ticket ?? cookie;
    if (principal === undefined) {
      throw new AppError('unauthenticated', 'Sign in, or send an Authorization header with a bearer token.');
    }
    if (cookie !== undefined && !isSameUser(cookie, principal)) {
      throw new AppError('mixed_credentials', 'The cookie and the token or ticket name different users.');
    }
    noteActor(request, principal);
    return { principal, cookie };
  }

  private async byTicket(request: Request): Promise<Principal | undefined> {
    const query = new URLSearchParams(request.url.replace(/^[^?]*/, ''));
    const [ticket, ...others] = query.getAll('ticket');
    if (ticket === undefined || others.length > 0) return undefined;
    return this.tickets.redeem(ticket, query.get('session_id'));
  }

  /**
   * A handshake never passes Express; with its prototype `protocol` and `secure` follow the same `trust proxy`
   * as every other request.
   */
  private asExpress(handshake: IncomingMessage): Request {
    const express = this.adapter.httpAdapter.getInstance<{ request: Request }>();
    return Object.setPrototypeOf(handshake, express.request) as Request;
  }
}

function isSameUser(one: Principal, other: Principal): boolean {
  return one.userId === other.userId && one.tenantId === other.tenantId;
}
