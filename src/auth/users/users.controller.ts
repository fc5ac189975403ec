import { Body, Controller, Delete, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { CurrentPrincipal, Requires } from '../access.decorator.js';
import type { Principal } from '../principal.js';
import { emailAddress, password, roles, tenantId } from '../user.js';
import { Users } from './users.service.js';

export const createUserRequest = z
  .strictObject({
    email: emailAddress,
    password,
    roles: roles.optional(),
    tenant_id: tenantId.optional().describe('Another tenant: administrators of `default` only'),
  })
  .meta({ id: 'CreateUserRequest' });

export const changeUserRequest = z
  .strictObject({ disabled: z.boolean().optional(), roles: roles.optional() })
  .meta({ id: 'ChangeUserRequest' });

const tenantQuery = z.strictObject({ tenant_id: tenantId.optional() });
type TenantQuery = z.output<typeof tenantQuery>;

@Controller('api/admin/users')
@Requires('admin')
export class UsersController {
  constructor(private readonly users: Users) {}

  @Post()
  create(
    @CurrentPrincipal() admin: Principal,
    @Body({ schema: createUserRequest }) body: z.output<typeof createUserRequest>,
  ) {
    return this.users.create(admin, body);
  }

  @Patch(':id')
  change(
    @CurrentPrincipal() admin: Principal,
    @Param('id') id: string,
    @Query({ schema: tenantQuery }) query: TenantQuery,
    @Body({ schema: changeUserRequest }) body: z.output<typeof changeUserRequest>,
  ) {
    return this.users.change(admin, id, query.tenant_id, body);
  }

  @Delete(':id/sessions')
  @HttpCode(204)
  endSessions(
    @CurrentPrincipal() admin: Principal,
    @Param('id') id: string,
    @Query({ schema: tenantQuery }) query: TenantQuery,
  ) {
    return this.users.endSessions(admin, id, query.tenant_id);
  }
}
