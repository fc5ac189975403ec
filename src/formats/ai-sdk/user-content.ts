import { content, type Content, type ContentBlock } from '../../agent/content.js';
import { AppError } from '../../errors/app-error.js';
import { filePart, textPart } from './requests.js';

const MAX_TITLE = 500;

interface File {
  mediaType: string;
  url: string;
  filename?: string | undefined;
}

/**
 * What a user says, out of the parts of a message: texts and files. Other parts are the page's own.
 * @throws AppError `invalid_request` when nothing is left, or a file is of no type that the model reads.
 */
export function userContent(parts: readonly unknown[]): Content {
  const blocks = parts.flatMap((part, index) => blockOf(part, index));
  const said = blocks.filter((block) => block.type !== 'text' || block.text.trim() !== '');
  const parsed = content.safeParse(said);
  if (parsed.success) return parsed.data;
  throw new AppError('invalid_request', 'The last message cannot be taken as it is.', {
    errors: parsed.error.issues.map(({ path, message }) => ({
      path: ['messages', 'last', ...path].map(String).join('.'),
      message,
    })),
  });
}

function blockOf(part: unknown, index: number): ContentBlock[] {
  const text = textPart.safeParse(part);
  if (text.success) return [text.data];
  const file = filePart.safeParse(part);
  if (!file.success) return [];
  const block = fileBlock(file.data);
  if (block !== undefined) return [block];
  throw new AppError('invalid_request', 'The model reads images, PDF and plain text; nothing else.', {
    errors: [{ path: `messages.last.parts.${index}`, message: 'is a file of another type' }],
  });
}

function fileBlock({ mediaType, url, filename }: File): ContentBlock | undefined {
  const type = mediaType.toLowerCase().split(';', 1)[0] ?? '';
  const title = filename ? { title: Array.from(filename).slice(0, MAX_TITLE).join('') } : {};
  const source = url.startsWith('data:') ? undefined : { type: 'url' as const, url };
  if (type.startsWith('image/')) {
    return {
      type: 'image',
      source: source ?? { type: 'base64', media_type: type, data: base64Of(url) },
    };
  }
  if (type === 'application/pdf') {
    return {
      type: 'document',
      source: source ?? { type: 'base64', media_type: 'application/pdf', data: base64Of(url) },
      ...title,
    };
  }
  if (!type.startsWith('text/') || source !== undefined) return undefined;
  const data = Buffer.from(base64Of(url), 'base64').toString();
  return { type: 'document', source: { type: 'text', media_type: 'text/plain', data }, ...title };
}

/** The data of a `data:` URL (RFC 2397), in base64 also where it came percent-encoded. */
function base64Of(url: string): string {
  const comma = url.indexOf(',');
  const data = url.slice(comma + 1);
  if (url.slice(0, comma).endsWith(';base64')) return data;
  try {
    return Buffer.from(decodeURIComponent(data)).toString('base64');
  } catch (cause) {
    throw new AppError('invalid_request', 'A file of the last message is not a valid data: URL.', { cause });
  }
}
