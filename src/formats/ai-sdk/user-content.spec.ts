import { expect, it } from '@jest/globals';
import { userContent } from './user-content.js';

const GIF = 'R0lGODlhAQABAAAAACw=';
const PDF = Buffer.from('%PDF-1.7').toString('base64');
const file = (mediaType: string, url: string, filename?: string) => ({
  type: 'file',
  mediaType,
  url,
  filename,
});
const refusal = (parts: unknown[]) => {
  try {
    return userContent(parts);
  } catch (error) {
    return error;
  }
};

it('texts and files become what the model reads, in their order', () => {
  const parts = [
    file('image/gif', `data:image/gif;base64,${GIF}`),
    file('application/pdf', `data:application/pdf;base64,${PDF}`, 'plan.pdf'),
    file('text/csv', 'data:text/csv;charset=utf-8,a%2Cb', 'table.csv'),
    file('image/png', 'https://example.com/x.png'),
    { type: 'text', text: 'Look.' },
  ];
  expect(userContent(parts)).toEqual([
    { type: 'image', source: { type: 'base64', media_type: 'image/gif', data: GIF } },
    {
      type: 'document',
      source: { type: 'base64', media_type: 'application/pdf', data: PDF },
      title: 'plan.pdf',
    },
    {
      type: 'document',
      source: { type: 'text', media_type: 'text/plain', data: 'a,b' },
      title: 'table.csv',
    },
    { type: 'image', source: { type: 'url', url: 'https://example.com/x.png' } },
    { type: 'text', text: 'Look.' },
  ]);
});

it('blank text beside a file, and parts of the page’s own, are left out', () => {
  const parts = [
    { type: 'text', text: ' ' },
    { type: 'data-place', data: 1 },
    'nonsense',
    file('text/plain', 'data:,word'),
  ];
  expect(userContent(parts)).toEqual([
    { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'word' } },
  ]);
});

it.each([
  ['nothing', []],
  ['blank text', [{ type: 'text', text: '\n' }]],
  ['a file of another type', [file('audio/mp3', 'data:audio/mp3;base64,AA==')]],
  ['an image that is none', [file('image/png', 'data:image/png;base64,AAAA')]],
  ['an image of another type', [file('image/svg+xml', 'data:image/svg+xml,<svg/>')]],
  ['an address without TLS', [file('image/png', 'http://example.com/x.png')]],
  ['text that is elsewhere', [file('text/plain', 'https://example.com/x.txt')]],
  ['data that is not encoded', [file('text/plain', 'data:text/plain,100%')]],
  ['half a character', [{ type: 'text', text: '\ud800' }]],
])('%s is refused', (_what, parts) => {
  expect(refusal(parts)).toMatchObject({ code: 'invalid_request' });
});
