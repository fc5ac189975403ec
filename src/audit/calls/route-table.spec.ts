import { describe, expect, it } from '@jest/globals';
import { RouteTable } from './route-table.js';

const table = new RouteTable();
table.add('GET', '/api/agent/runs/:id', undefined);
table.add('GET', '/api/agent/runs/latest', undefined);
table.add('POST', '/api/agent/runs/:id/tool_calls/:tool_call_id/decision', { action: 'tool_call.decide' });
table.add('GET', '/api/admin/users/:id', undefined);
table.add('GET', '/files/*path', { action: 'file.read', always: true });

const found = (method: string, path: string) => {
  const call = table.find(method, path);
  return call && [call.route.pattern, Object.fromEntries(call.params)];
};

describe('the route of a call', () => {
  it.each([
    ['GET', '/api/agent/runs/run_1', ['/api/agent/runs/:id', { id: 'run_1' }]],
    ['HEAD', '/api/agent/runs/run_1/', ['/api/agent/runs/:id', { id: 'run_1' }]],
    ['GET', '/API/agent/runs/latest', ['/api/agent/runs/latest', {}]],
    ['GET', '/api/agent/runs/a%20b%zz', ['/api/agent/runs/:id', { id: 'a%20b%zz' }]],
    ['GET', '/api/agent/runs/a%20b', ['/api/agent/runs/:id', { id: 'a b' }]],
    [
      'POST',
      '/api/agent/runs/r/tool_calls/c/decision',
      ['/api/agent/runs/:id/tool_calls/:tool_call_id/decision', { id: 'r', tool_call_id: 'c' }],
    ],
    ['GET', '/files/a/b', ['/files/*path', {}]],
    ['POST', '/api/agent/runs/run_1', undefined],
    ['GET', '/api/agent/runs', undefined],
    ['GET', '/.git', undefined],
  ])('of %s %s', (method, path, expected) => {
    expect(found(method, path)).toEqual(expected);
  });

  it('that reads is always audited when it is for administrators, or says so', () => {
    expect(table.findAlways('GET', '/api/admin/users/usr_1')?.route.pattern).toBe('/api/admin/users/:id');
    expect(table.findAlways('GET', '/files/a')?.route.audited?.action).toBe('file.read');
    expect(table.findAlways('GET', '/api/agent/runs/run_1')).toBeUndefined();
  });
});
