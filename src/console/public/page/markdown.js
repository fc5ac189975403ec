import DOMPurify from 'dompurify';
import { copyButton, copyText } from './copy.js';
import { reveal } from './format.js';
import { Lexer, Parser, Renderer, Tokenizer } from 'marked';
import { element } from './page.js';

const SCHEMES = ['http:', 'https:', 'mailto:'];
const ADDRESS_LENGTH = 60;

/** More lists and quotes in one another than anybody writes, on one line: parsers are not made for it. */
const TOO_DEEP = /^(?:[ \t]*(?:>|(?:[-*+]|\d{1,9}[.)])(?=[ \t]))){17}/m;

/** What Markdown needs, and nothing that loads, runs, submits, moves or names anything. */
const ALLOWED = {
  ALLOWED_TAGS:
    'p br hr h3 h4 h5 h6 ul ol li blockquote pre code em strong del a table thead tbody tr th td'.split(' '),
  ALLOWED_ATTR: ['href', 'start', 'align'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  // Else their values would have to be addresses too.
  ADD_URI_SAFE_ATTR: ['start', 'align'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/** HTML in Markdown is text like any other. */
class TextTokenizer extends Tokenizer {
  html() {
    return undefined;
  }

  tag() {
    return undefined;
  }
}

class SafeRenderer extends Renderer {
  #inLink = false;

  heading({ tokens, depth }) {
    const tag = `h${Math.min(depth + 2, 6)}`;
    return `<${tag}>${this.parser.parseInline(tokens)}</${tag}>\n`;
  }

  link({ href, text, tokens, autolink }) {
    if (autolink) return link(href, escape(text));
    this.#inLink = true;
    const content = this.parser.parseInline(tokens);
    this.#inLink = false;
    return link(href.replaceAll('&amp;', '&'), content);
  }

  /** Never loaded: a link, for who wants to see it. */
  image({ href, text }) {
    const words = `Image${text ? `: ${escape(text)}` : ''}`;
    return this.#inLink ? `${words} (${escape(href)})` : link(href, words);
  }

  /** Where links lead stays to be read, also when no link leads there. */
  def({ raw }) {
    return `<p>${escape(raw.trim())}</p>\n`;
  }

  checkbox({ checked }) {
    return checked ? '☑ ' : '☐ ';
  }

  html({ text }) {
    return escape(text);
  }

  text(token) {
    return token.tokens ? this.parser.parseInline(token.tokens) : super.text({ ...token, escaped: false });
  }
}

const OPTIONS = { gfm: true, breaks: true, tokenizer: new TextTokenizer(), renderer: new SafeRenderer() };

/**
 * A piece of Markdown as elements. The parser's HTML is not trusted: DOMPurify makes elements of it, in a document
 * of its own in which nothing loads.
 * @param {Record<string, object>} links definitions of links so far (`[name]: address`); those of the piece are added
 * @returns {DocumentFragment}
 */
export function renderMarkdown(text, links) {
  if (TOO_DEEP.test(text)) return renderPlain(text);
  try {
    const lexer = new Lexer(OPTIONS);
    Object.assign(lexer.tokens.links, links);
    const tokens = lexer.lex(text);
    Object.assign(links, tokens.links);
    return dressed(DOMPurify.sanitize(Parser.parse(tokens, OPTIONS), ALLOWED));
  } catch (error) {
    // Nested so deep that the parser's stack is too small (RangeError, which marked may wrap).
    console.info('Shown as plain text:', error);
    return renderPlain(text);
  }
}

/** @returns {DocumentFragment} the text as it is */
export function renderPlain(text) {
  const fragment = document.createDocumentFragment();
  fragment.append(element('p', { class: 'plain-text' }, reveal(text)));
  return fragment;
}

/** Code with its language and a button that copies it as it is seen. */
export function codeBlock(text, language) {
  const code = element('code', {}, document.createTextNode(reveal(text)));
  const copy = copyButton('Copy', async () => {
    if (await copyText(code.textContent)) return 'Copied';
    // Then it is a matter of one key.
    getSelection()?.selectAllChildren(code);
    return 'Selected';
  });
  const head = element('div', { class: 'code-head quiet' }, element('span', {}, reveal(language)), copy);
  return element('div', { class: 'code' }, head, element('pre', { dir: 'ltr', tabindex: '0' }, code));
}

function link(href, content) {
  const address = webAddress(href);
  return address ? `<a href="${escape(address)}">${content}</a>` : `${content} (${escape(href)})`;
}

/** The address as the browser would go to it; null for what a person should not be sent to. */
function webAddress(href) {
  const url = URL.canParse(href) ? new URL(href) : null;
  const isFit = url && SCHEMES.includes(url.protocol) && url.username === '' && url.password === '';
  return isFit ? url.href : null;
}

function escape(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

function dressed(fragment) {
  for (const anchor of fragment.querySelectorAll('a')) dressLink(anchor);
  for (const table of fragment.querySelectorAll('table')) {
    const box = element('div', { class: 'table', role: 'region', 'aria-label': 'Table', tabindex: '0' });
    table.replaceWith(box);
    box.append(table);
  }
  // Before the code blocks, which reveal their text themselves.
  const blocks = [...fragment.querySelectorAll('pre')];
  const texts = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    const seen = node.parentElement?.closest('pre') ? node.data : reveal(node.data);
    if (seen !== node.data) node.data = seen;
  }
  for (const block of blocks) block.replaceWith(codeBlock(block.textContent.replace(/\n$/, ''), ''));
  return fragment;
}

/** An address without what the eye skips. */
function bare(address) {
  return address.replace(/^(?:https?:\/\/|mailto:)/i, '').replace(/\/$/, '');
}

/** Where a link leads is seen before it is followed, and the place that it leads to learns nothing of this page. */
function dressLink(anchor) {
  const address = anchor.href;
  if (!webAddress(address)) return anchor.replaceWith(...anchor.childNodes);
  anchor.title = address;
  anchor.target = '_blank';
  anchor.rel = 'noopener noreferrer nofollow';
  anchor.referrerPolicy = 'no-referrer';
  if (bare(anchor.textContent.trim()) === bare(address)) return undefined;
  const short = bare(address);
  const shown = short.length > ADDRESS_LENGTH ? `${short.slice(0, ADDRESS_LENGTH)}…` : short;
  return anchor.after(element('span', { class: 'address quiet', dir: 'ltr' }, ` (${shown})`));
}
