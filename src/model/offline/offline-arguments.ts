import { isRecord, type Json } from '../json.js';
import type { Findings } from './offline-findings.js';

/** What one call of a tool is made from. */
interface CallContext {
  findings: Findings;
  /** The words that follow the tool's name in the text. */
  after: string;
}

/** Where a field's value comes from, by its name or format: the first row that fits. */
const SLOTS: { list: 'urls' | 'expressions' | 'zones'; fits: (name: string, schema: Json) => boolean }[] = [
  {
    list: 'urls',
    fits: (name, schema) => schema.format === 'uri' || schema.format === 'url' || /ur[il]/i.test(name),
  },
  { list: 'expressions', fits: (name) => /expression|formula/i.test(name) },
  { list: 'zones', fits: (name) => /^tz$|zone/i.test(name) },
];

const FORMATS: Record<string, RegExp> = {
  date: /\b\d{4}-\d{2}-\d{2}\b/,
  'date-time': /\b\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:\d{2})?/,
  email: /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/,
  uuid: /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/i,
};

/** How many calls of a tool the text asks for: one, or as many as it names addresses, terms or zones. */
export function callsAskedFor(schema: Json, findings: Findings): number {
  const counts = Object.entries(propertiesOf(schema)).map(([name, property]) => {
    const slot = SLOTS.find(({ fits }) => fits(name, property));
    return slot === undefined ? 1 : findings[slot.list].length;
  });
  return Math.min(Math.max(1, ...counts), 5);
}

/**
 * Arguments for one call, made from what stands in the text: required fields always get a value, optional
 * ones only when the text has one. Takes what it uses out of `findings`.
 */
export function argumentsFrom(schema: Json, findings: Findings, after: string): Json {
  return objectFrom(schema, { findings, after });
}

function objectFrom(schema: Json, context: CallContext): Json {
  const required = Array.isArray(schema.required) ? schema.required : [];
  const fields = Object.entries(propertiesOf(schema)).flatMap(([name, property]) => {
    const value =
      valueFrom(name, property, context) ??
      (required.includes(name) ? fallbackFor(property, context) : undefined);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(fields) as Json;
}

function propertiesOf(schema: Json): Record<string, Json> {
  const properties = isRecord(schema.properties) ? schema.properties : {};
  return Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, plainSchema(value)]));
}

/** The first alternative that is not null, of a field that has several. */
function plainSchema(value: unknown): Json {
  const schema = isRecord(value) ? value : {};
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices))
    return plainSchema(choices.find((choice) => isRecord(choice) && choice.type !== 'null'));
  if (Array.isArray(schema.type)) return { ...schema, type: schema.type.find((type) => type !== 'null') };
  return schema;
}

/** What the text says for this field, or undefined. */
function valueFrom(name: string, schema: Json, context: CallContext): unknown {
  const { findings } = context;
  if ('const' in schema) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum.find((choice) => hasWord(findings.text, String(choice)));
  const slot = SLOTS.find(({ fits }) => fits(name, schema));
  if (slot !== undefined) return findings[slot.list].shift();
  switch (schema.type) {
    case 'number':
    case 'integer':
      return numberFrom(schema, findings);
    case 'boolean':
      return hasWord(findings.text, spoken(name))
        ? !/\b(?:no|not|without|false)\b/i.test(findings.text)
        : undefined;
    case 'array': {
      const item = valueFrom(name, plainSchema(schema.items), context);
      return item === undefined ? undefined : [item];
    }
    case 'object': {
      const value = objectFrom(schema, context);
      return Object.keys(value).length === 0 ? undefined : value;
    }
    default:
      return stringFrom(name, schema, findings);
  }
}

function stringFrom(name: string, schema: Json, findings: Findings): unknown {
  const format = FORMATS[String(schema.format)];
  if (format !== undefined) return format.exec(findings.text)?.[0];
  const said = new RegExp(
    `\\b${escaped(spoken(name))}\\s*(?:=|:|\\bis\\b)\\s*["“']?([^"”',;\\n]+)`,
    'i',
  ).exec(findings.text);
  return cut(schema, said?.[1]?.trim() ?? findings.quoted.shift());
}

function numberFrom(schema: Json, findings: Findings): number | undefined {
  const found = findings.numbers.shift();
  if (found === undefined) return undefined;
  return clamp(schema, schema.type === 'integer' ? Math.trunc(found) : found);
}

/** What a required field gets when the text says nothing for it. */
function fallbackFor(schema: Json, context: CallContext): unknown {
  if ('default' in schema) return schema.default;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  switch (schema.type) {
    case 'number':
    case 'integer':
      return clamp(schema, 1);
    case 'boolean':
      return true;
    case 'array':
      return [fallbackFor(plainSchema(schema.items), context)];
    case 'object':
      return objectFrom(schema, context);
    case 'null':
      return null;
    default:
      return cut(schema, context.after || context.findings.text);
  }
}

function clamp(schema: Json, value: number): number {
  const least = typeof schema.minimum === 'number' ? schema.minimum : -Infinity;
  const most = typeof schema.maximum === 'number' ? schema.maximum : Infinity;
  return Math.min(Math.max(value, least), most);
}

function cut(schema: Json, text: string | undefined): string | undefined {
  return typeof schema.maxLength === 'number' ? text?.slice(0, schema.maxLength) : text;
}

/** `dueDate` and `due_date` as one says them: "due date". */
function spoken(name: string): string {
  return name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .replaceAll(/[_-]+/g, ' ')
    .toLowerCase();
}

function hasWord(text: string, word: string): boolean {
  return new RegExp(`(?<![\\w])${escaped(word)}(?![\\w])`, 'i').test(text);
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
