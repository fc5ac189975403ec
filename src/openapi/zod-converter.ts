import { z } from 'zod';

/** A schema and the named schemas that it refers to, by `#/components/schemas/<name>`. */
export interface ConvertedSchema {
  schema: Record<string, unknown>;
  components: Record<string, Record<string, unknown>>;
}

/**
 * A zod schema as JSON Schema 2020-12, the dialect of OpenAPI 3.1. Parts with `.meta({ id })` become components.
 * `input` is what a client sends (before defaults and transforms), `output` what it gets.
 */
export function convertZod(schema: z.ZodType, io: 'input' | 'output'): ConvertedSchema {
  const { $schema: _dialect, ...whole } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      dropSafeIntegerBounds(jsonSchema);
      dropPatternOfTime(jsonSchema);
    },
  });
  const { $defs = {}, ...root } = JSON.parse(named(whole)) as Record<string, unknown> & {
    $defs?: ConvertedSchema['components'];
  };
  const parts = Object.entries($defs).filter(([name]) => !name.startsWith('__schema'));
  return { schema: root, components: Object.fromEntries(parts) };
}

/** Marks the schema of a body that may be left out. */
export const OPTIONAL = 'x-optional';

/** For `createDocument`: everything that is a zod schema; Nest's own conversion speaks OpenAPI 3.0. */
export function standardSchemaConverter(schema: unknown, { schemaType }: { schemaType: 'input' | 'output' }) {
  if (!(schema instanceof z.ZodType)) return undefined;
  const converted = convertZod(schema, schemaType);
  return schema instanceof z.ZodOptional
    ? { ...converted, schema: { ...converted.schema, [OPTIONAL]: true } }
    : converted;
}

/**
 * With the names of OpenAPI. Parts without a name refer to themselves: that is `z.json()`, and types that are
 * generated from it do not compile; `{}` says as well that it is any JSON.
 */
function named(schema: object): string {
  return JSON.stringify(schema)
    .replaceAll(/\{"\$ref":"#\/\$defs\/__schema\d+"\}/g, '{}')
    .replaceAll('"#/$defs/', '"#/components/schemas/');
}

/** `z.int()` tells the limits of JavaScript, which are none of the API. */
function dropSafeIntegerBounds(schema: { minimum?: number; maximum?: number }): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
}

/** `format` says it to programs, and to people; the pattern says it to nobody. */
function dropPatternOfTime(schema: { format?: string; pattern?: string }): void {
  if (schema.format === 'date-time' || schema.format === 'date') delete schema.pattern;
}
