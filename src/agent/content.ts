import { z } from 'zod';
import { plainText, textUpTo } from '../sessions/requests.js';

/** First bytes of the files that the model reads; what a client says of a file is not believed. */
const MAGIC: Record<string, readonly string[]> = {
  'image/png': ['89504e470d0a1a0a'],
  'image/jpeg': ['ffd8ff'],
  'image/gif': ['474946383761', '474946383961'],
  'image/webp': ['52494646'],
  'application/pdf': ['255044462d'],
};

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

function base64Of(...types: [string, ...string[]]) {
  return z
    .strictObject({ type: z.literal('base64'), media_type: z.enum(types), data: z.string() })
    .refine(isWhatItSays, { path: ['data'], message: 'is not base64 of a file of this media type' });
}

function isWhatItSays(source: { media_type: string; data: string }): boolean {
  if (source.data.length % 4 !== 0 || !BASE64.test(source.data)) return false;
  const start = Buffer.from(source.data.slice(0, 64), 'base64');
  const isWebp = source.media_type !== 'image/webp' || start.toString('latin1', 8, 12) === 'WEBP';
  return isWebp && (MAGIC[source.media_type] ?? []).some((magic) => start.toString('hex').startsWith(magic));
}

const web = z.strictObject({
  type: z.literal('url'),
  url: z
    .url({ protocol: /^https$/ })
    .max(2_000)
    // The URL standard lets pass and repairs what others refuse: one slash, blanks, control characters.
    .refine((url) => /^https:\/\/[^\s\p{Cc}\p{Cs}]+$/iu.test(url), 'must be an https address'),
});

/** The model's service refuses blank text, and with it the whole conversation from then on. */
const words = plainText.refine((said) => said.trim() !== '', 'says nothing');

const text = z.strictObject({ type: z.literal('text'), text: words });

const image = z.strictObject({
  type: z.literal('image'),
  source: z.union([base64Of('image/png', 'image/jpeg', 'image/gif', 'image/webp'), web]),
});

const document = z.strictObject({
  type: z.literal('document'),
  source: z.union([
    base64Of('application/pdf'),
    z.strictObject({ type: z.literal('text'), media_type: z.literal('text/plain'), data: plainText.min(1) }),
    web,
  ]),
  title: textUpTo(500).optional(),
  context: textUpTo(10_000).optional(),
});

const blocks = z
  .array(z.discriminatedUnion('type', [text, image, document]))
  .min(1)
  .max(100);

/** What a user says: a text, or content blocks as the Anthropic API takes them in a user message. */
export const content = z.union([words, blocks]).meta({ id: 'Content' });
export type Content = z.output<typeof content>;
export type ContentBlock = Exclude<Content, string>[number];

/** Bytes of text in UTF-8, images and files aside. */
export function textBytes(said: readonly ContentBlock[]): number {
  let bytes = 0;
  for (const block of said) {
    if (block.type === 'text') bytes += Buffer.byteLength(block.text);
    if (block.type === 'document' && block.source.type === 'text')
      bytes += Buffer.byteLength(block.source.data);
  }
  return bytes;
}
