import { describe, expect, it } from '@jest/globals';
import { type AgentProfile, strictestRule } from './agent-profile.js';
import { Agents } from './agents.js';

const writer: AgentProfile = { name: 'writer', description: 'Writes.', tools: ['read_file', 'docs_*'] };

describe('agents', () => {
  it('are four at first, and the one that builds works where nobody is named', () => {
    const agents = new Agents();
    expect(agents.list().map(({ name, tools }) => [name, tools])).toEqual([
      ['build', undefined],
      ['explore', ['read_file', 'list_files', 'grep', 'calculate', 'get_time']],
      ['general', undefined],
      ['plan', ['read_file', 'list_files', 'grep', 'calculate', 'get_time', 'fetch_url']],
    ]);
    expect([agents.default.name, agents.find(null).name]).toEqual(['build', 'build']);
    expect(agents.list().every(({ system }) => (system ?? '').length > 100)).toBe(true);
  });

  it('of the application are found beside them, and may take the place of one of them', () => {
    const agents = new Agents();
    const plan = { name: 'plan', description: 'Plans otherwise.' };
    agents.register(writer, 'here');
    agents.register(plan, 'there');
    expect(agents.find('writer')).toBe(writer);
    expect(agents.find('plan')).toBe(plan);
    expect(agents.list().map(({ name }) => name)).toEqual(['build', 'explore', 'general', 'plan', 'writer']);
  });

  it('that are not known are refused with those that are; nobody stands in for them', () => {
    expect(() => new Agents().find('bild')).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        message: 'There is no agent "bild" here. Known: build, explore, general, plan.',
      }),
    );
    expect(() => new Agents().check('')).toThrow('There is no agent "" here.');
  });

  it('of one name are refused with both places, also where they replace a default', () => {
    const agents = new Agents();
    agents.register({ ...writer, name: 'build' }, 'A in AModule');
    expect(() => agents.register({ ...writer, name: 'build' }, 'B in BModule')).toThrow(
      'Two agents are named "build": A in AModule and B in BModule. Rename one of them.',
    );
  });

  it.each<[Partial<AgentProfile> & Record<string, unknown>, string]>([
    [{ name: 'Writer' }, 'name: takes 1 to 64 lower-case letters, digits and "-", a letter first'],
    [{ name: '' }, 'name: takes 1 to 64'],
    [{ name: 'x'.repeat(65) }, 'name: takes 1 to 64'],
    [{ description: ' ' }, 'description: must say what it is for'],
    [{ tools: ['a b'] }, 'tools.0: must be a name, or a beginning and "*"'],
    [{ tools: ['a*b'] }, 'tools.0: must be a name'],
    [{ limits: { maxTurns: 0 } }, 'limits.maxTurns'],
    [{ limits: { usd: Number.NaN } }, 'limits.usd'],
    [{ approval: { shell: 'sometimes' as 'always' } }, 'approval.shell'],
    [{ effort: 'huge' as 'high' }, 'effort'],
    [{ tool: ['read_file'] }, 'Unrecognized key: "tool"'],
  ])('that are malformed are refused with their place: %j', (change, message) => {
    const register = () => new Agents().register({ ...writer, ...change }, 'A in AModule');
    expect(register).toThrow(message);
    expect(register).toThrow('of A in AModule cannot be used');
  });
});

const saying = (approval: AgentProfile['approval']): AgentProfile => ({ ...writer, approval });
const far = ({ far: isFar }: { far?: boolean }) => isFar === true;

describe('what several agents say of a tool together', () => {
  const ada = { userId: 'usr_ada', tenantId: 'default', email: null, roles: [] };

  it('is what the strictest of them says', async () => {
    const some = saying({ act: far as never });
    expect(strictestRule([], 'act')).toBeUndefined();
    expect(strictestRule([saying({ other: 'always' })], 'act')).toBeUndefined();
    expect(strictestRule([saying({ 'a*': 'never' }), some, saying({ 'a*': 'always' })], 'act')).toBe(
      'always',
    );
    const both = strictestRule([saying({ act: 'never' }), some], 'act');
    if (typeof both !== 'function') throw new Error('a rule that looks at the arguments was expected');
    expect([await both({ far: true }, ada), await both({}, ada)]).toEqual([true, false]);
  });
});
