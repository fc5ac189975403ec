/** What Anthropic takes as the name of an argument. */
const PROPERTY = /^[a-zA-Z0-9_.-]{1,64}$/;
const TYPES = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);
/** Keywords (JSON Schema 2020-12) whose value is a schema, a list of schemas, or schemas by name. */
const ONE = ['items', 'additionalProperties', 'not', 'if', 'then', 'else', 'contains', 'propertyNames'];
const LIST = ['anyOf', 'oneOf', 'allOf', 'prefixItems'];
const NAMED = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'];

/**
 * Why the model's provider would refuse this schema of arguments, and with it every call that offers the tool: one
 * bad tool of a tool server must not stop the runs of everybody. For values of bounded depth.
 * @returns undefined when nothing is wrong.
 */
export function schemaProblem(schema: Record<string, unknown>): string | undefined {
  if (schema['type'] !== 'object') return 'is not of the type "object"';
  const combined = ['anyOf', 'oneOf', 'allOf'].find((keyword) => keyword in schema);
  if (combined !== undefined) return `has ${combined} at the top`;
  const { properties } = schema;
  if (isRecord(properties)) {
    const bad = Object.keys(properties).find((name) => !PROPERTY.test(name));
    if (bad !== undefined)
      return `has the property ${JSON.stringify(bad.slice(0, 64))}, a name that cannot be sent`;
  }
  return problemOf(schema);
}

function problemOf(schema: unknown): string | undefined {
  if (typeof schema === 'boolean') return undefined;
  if (!isRecord(schema)) return 'has something that is no schema in the place of one';
  return keywordProblem(schema) ?? first(subschemas(schema), problemOf);
}

function keywordProblem({ type, required, enum: values, $ref, pattern, ...schema }: Record<string, unknown>) {
  if (type !== undefined && !isType(type)) return 'names a type that there is not';
  if (required !== undefined && !isTexts(required)) return 'has a "required" that is no list of names';
  if (values !== undefined && !Array.isArray(values)) return 'has an "enum" that is no list';
  if ($ref !== undefined && !(typeof $ref === 'string' && $ref.startsWith('#')))
    return 'refers to something outside of itself';
  if (pattern !== undefined && typeof pattern !== 'string') return 'has a "pattern" that is no text';
  const notNamed = NAMED.find((keyword) => keyword in schema && !isRecord(schema[keyword]));
  if (notNamed !== undefined) return `has "${notNamed}" that is no object`;
  const notList = LIST.find((keyword) => keyword in schema && !isFilled(schema[keyword]));
  return notList === undefined ? undefined : `has "${notList}" that is no list of schemas`;
}

function subschemas(schema: Record<string, unknown>): unknown[] {
  return [
    ...ONE.flatMap((keyword) => (keyword in schema ? [schema[keyword]] : [])),
    ...LIST.flatMap((keyword) => (Array.isArray(schema[keyword]) ? (schema[keyword] as unknown[]) : [])),
    ...NAMED.flatMap((keyword) => (isRecord(schema[keyword]) ? Object.values(schema[keyword]) : [])),
  ];
}

function first(
  values: readonly unknown[],
  problem: (value: unknown) => string | undefined,
): string | undefined {
  for (const value of values) {
    const found = problem(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isType(value: unknown): boolean {
  const types: unknown[] = Array.isArray(value) ? value : [value];
  return types.length > 0 && types.every((type) => typeof type === 'string' && TYPES.has(type));
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
