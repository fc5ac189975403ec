import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { readOpenApi } from './read-document.js';

/** An answer of the server, as far as the description speaks of it. */
export interface SeenAnswer {
  method: string;
  /** Path and query. */
  path: string;
  status: number;
  contentType: string | null;
  text: string;
}

/** Times are RFC 3339 in UTC, as the contract has it. */
const FORMATS = {
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
  date: /^\d{4}-\d\d-\d\d$/,
  uri: true,
} as const;

/** A document of schemas against which JSON is checked, wherever in it a schema stands. */
export class Schemas {
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true, formats: FORMATS });
  private readonly known = new Map<string, ValidateFunction>();

  constructor(document: object) {
    this.ajv.addSchema(document, 'document');
  }

  /** @param place a JSON pointer (RFC 6901) as list of names. */
  faults(place: readonly string[], value: unknown): string[] {
    const check = this.at(place);
    if (check(value)) return [];
    return (check.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  }

  private at(place: readonly string[]): ValidateFunction {
    const pointer = place.map((name) => encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1')));
    const $ref = `document#/${pointer.join('/')}`;
    const known = this.known.get($ref) ?? this.ajv.compile({ $ref });
    this.known.set($ref, known);
    return known;
  }
}

/** Compares what a server answers with what openapi.json says that it answers. */
export class Described {
  readonly document = readOpenApi();
  /** `<operationId> <status>` of every answer that was described. */
  readonly seen = new Set<string>();
  private readonly schemas = new Schemas(this.document);

  /** What of the answer is not as described. */
  check(answer: SeenAnswer): string[] {
    const { path, method } = this.routeOf(answer);
    const operation = this.document.paths[path]?.[method];
    if (operation === undefined) return [`${answer.method} ${answer.path} is not described`];
    const name = `${operation.operationId} ${answer.status}`;
    const described = operation.responses[String(answer.status)];
    if (described === undefined) return [`${name} is not described: ${answer.text.slice(0, 200)}`];
    this.seen.add(name);
    const type = answer.contentType?.split(';')[0];
    if (described.content === undefined) return answer.text === '' ? [] : [`${name} has a body`];
    if (type === undefined || described.content[type] === undefined) return [`${name} is ${type}`];
    if (!/[/+]json$/.test(type)) return [];
    const place = ['paths', path, method, 'responses', String(answer.status), 'content', type, 'schema'];
    return this.schemas.faults(place, JSON.parse(answer.text)).map((fault) => `${name}: ${fault}`);
  }

  private routeOf({ method, path }: SeenAnswer): { path: string; method: string } {
    const asked = path.split('?')[0]!.split('/');
    const fits = (template: string) => {
      const parts = template.split('/');
      return (
        parts.length === asked.length && parts.every((part, at) => part.startsWith('{') || part === asked[at])
      );
    };
    const found = Object.keys(this.document.paths).filter(fits);
    // A name beats a parameter.
    const best = found.toSorted((a, b) => a.split('{').length - b.split('{').length)[0];
    return { path: best ?? path, method: method.toLowerCase() };
  }
}
