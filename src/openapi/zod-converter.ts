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
    override: ({ jsonSchema }) => dropSafeIntegerBounds(jsonSchema),
  });
  const { $defs = {}, ...root } = JSON.parse(named(whole)) as Record<string, unknown> & {
    $defs?: ConvertedSchema['components'];
  };
  return { schema: root, components: $defs };
}

/** For `createDocument`: everything that is a zod schema; Nest's own conversion speaks OpenAPI 3.0. */
export function standardSchemaConverter(schema: unknown, { schemaType }: { schemaType: 'input' | 'output' }) {
  return schema instanceof z.ZodType ? convertZod(schema, schemaType) : undefined;
}

/** zod counts recursive parts from `__schema0` in every schema anew; as components they need names of their own. */
function named(schema: object): string {
  const owner = '$ref' in schema ? String(schema.$ref).replace('#/$defs/', '') : 'Value';
  return JSON.stringify(schema)
    .replaceAll(/__schema(\d+)/g, `${owner}Part$1`)
    .replaceAll('"#/$defs/', '"#/components/schemas/');
}

/** `z.int()` tells the limits of JavaScript, which are none of the API. */
function dropSafeIntegerBounds(schema: { minimum?: number; maximum?: number }): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
}
