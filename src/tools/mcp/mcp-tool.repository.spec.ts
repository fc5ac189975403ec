import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../../test/support/databases.js';
import type { Database } from '../../database/database.js';
import { McpToolRepository, type SeenTool } from './mcp-tool.repository.js';

const seen = (name: string, fingerprint: string): SeenTool => ({
  name,
  fingerprint,
  text: JSON.stringify({ name, description: fingerprint }),
});

onEachDatabase('McpToolRepository', (open) => {
  let database: Database;
  let tools: McpToolRepository;

  beforeEach(async () => {
    database = await open();
    tools = new McpToolRepository(database);
  });

  afterEach(() => database.close());

  describe('see', () => {
    it('accepts what is seen for the first time, per server', async () => {
      expect(await tools.see('a', [seen('x', '1'), seen('y', '1')])).toEqual(
        new Map([
          ['x', '1'],
          ['y', '1'],
        ]),
      );
      expect(await tools.see('b', [seen('x', '2')])).toEqual(new Map([['x', '2']]));
      expect(await tools.list()).toMatchObject([
        { server: 'a', tool: 'x', fingerprint: '1', accepted_fingerprint: '1', accepted_by: null },
        { server: 'a', tool: 'y' },
        { server: 'b', tool: 'x', fingerprint: '2', accepted_fingerprint: '2' },
      ]);
    });

    it('keeps what was accepted when the tool changes, also after it was gone', async () => {
      await tools.see('a', [seen('x', '1')]);
      expect(await tools.see('a', [seen('x', '2')])).toEqual(new Map([['x', '1']]));
      await tools.see('a', []);
      expect(await tools.see('a', [seen('x', '3')])).toEqual(new Map([['x', '1']]));
      expect(await tools.find('a', 'x')).toMatchObject({
        fingerprint: '3',
        description: '{"name":"x","description":"3"}',
        accepted_fingerprint: '1',
        accepted_description: '{"name":"x","description":"1"}',
      });
    });

    it('lets one node decide when two see different things at once', async () => {
      const other = new McpToolRepository(database);
      const [one, two] = await Promise.all([
        tools.see('a', [seen('x', '1')]),
        other.see('a', [seen('x', '2')]),
      ]);
      expect(one).toEqual(two);
      expect(['1', '2']).toContain(one.get('x'));
    });

    it('takes 1000 names of a server and no more', async () => {
      const many = Array.from({ length: 600 }, (_, n) => n);
      await tools.see(
        'a',
        many.map((n) => seen(`first${n}`, '1')),
      );
      const accepted = await tools.see(
        'a',
        many.map((n) => seen(`second${n}`, '1')),
      );
      expect(accepted.size).toBe(1_000);
      expect([accepted.has('second399'), accepted.has('second400')]).toEqual([true, false]);
    });

    it('takes names and texts of all kinds', async () => {
      const name = `'; drop table mcp_tools; -- 😀`;
      await tools.see('a', [{ ...seen(name, '1'), text: '"\\u0000 \\ud800"' }]);
      expect(await tools.find('a', name)).toMatchObject({ description: '"\\u0000 \\ud800"' });
    });
  });

  describe('accept', () => {
    it('accepts what is there now, and says by whom', async () => {
      await tools.see('a', [seen('x', '1')]);
      await tools.see('a', [seen('x', '2')]);
      expect(await tools.accept('a', 'x', '2', 'usr_1')).toBe(true);
      expect(await tools.see('a', [seen('x', '2')])).toEqual(new Map([['x', '2']]));
      expect(await tools.find('a', 'x')).toMatchObject({
        accepted_by: 'usr_1',
        accepted_description: '{"name":"x","description":"2"}',
      });
    });

    it('tells the other nodes, where there may be others', async () => {
      const other = await open();
      const heard = Promise.withResolvers<string | undefined>();
      const stop = new McpToolRepository(other).onAccepted((server) => heard.resolve(server));
      await tools.see('a', [seen('x', '1')]);
      await tools.accept('a', 'x', '1', 'usr_1');
      // Nobody else is on an embedded database.
      if (database.exclusive) heard.resolve('a');
      expect(await heard.promise).toBe('a');
      stop();
      await other.close();
    });

    it('refuses what is not there any more, and what never was', async () => {
      await tools.see('a', [seen('x', '1')]);
      await tools.see('a', [seen('x', '2')]);
      await tools.see('a', [seen('x', '3')]);
      expect(await tools.accept('a', 'x', '2', 'usr_1')).toBe(false);
      expect(await tools.accept('a', 'z', '2', 'usr_1')).toBe(false);
      expect(await tools.find('a', 'x')).toMatchObject({ accepted_fingerprint: '1', accepted_by: null });
    });
  });
});
