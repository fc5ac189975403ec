import { isDeepStrictEqual } from 'node:util';
import type { CallToolResult } from '@modelcontextprotocol/client';
import { ToolError } from '../tool-error.js';

type Content = CallToolResult['content'][number];

/**
 * What a call has brought, as JSON for the model: the text alone where there is only text, the structured content
 * alone where the text just repeats it (MCP asks servers to do so), else both. Of images, sound and files the kind
 * and the size is told: the model could not read their bytes as text.
 * @throws ToolError with the text, when the server says that the call has failed.
 */
export function toolResult({ content, structuredContent, isError }: CallToolResult): unknown {
  if (isError === true) throw new ToolError(errorText(content) || 'The tool failed and gave no reason.');
  if (structuredContent === undefined) return plain(content);
  const rest = content.filter((item) => !(item.type === 'text' && isJsonOf(item.text, structuredContent)));
  return rest.length === 0
    ? structuredContent
    : { structured_content: structuredContent, content: plain(rest) };
}

function plain(content: readonly Content[]): unknown {
  const texts = content.flatMap((item) => (item.type === 'text' ? [item.text] : []));
  return texts.length === content.length ? texts.join('\n') : content.map(toJson);
}

function errorText(content: readonly Content[]): string {
  const value = plain(content);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function toJson(item: Content): unknown {
  switch (item.type) {
    case 'text':
      return { type: 'text', text: item.text };
    case 'image':
    case 'audio':
      return { type: item.type, mime_type: item.mimeType, bytes: bytesOf(item.data) };
    case 'resource_link':
      return { type: 'resource_link', uri: item.uri, name: item.name, mime_type: item.mimeType };
    case 'resource': {
      const { uri, mimeType: mime_type } = item.resource;
      const body =
        'text' in item.resource ? { text: item.resource.text } : { bytes: bytesOf(item.resource.blob) };
      return { type: 'resource', uri, mime_type, ...body };
    }
    default:
      return { type: 'unknown' };
  }
}

/** Of base64 (RFC 4648 §4). */
function bytesOf(base64: string): number {
  return Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
}

function isJsonOf(text: string, value: unknown): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(text), value);
  } catch {
    // No JSON, or nested too deeply to compare: then it is kept.
    return false;
  }
}
