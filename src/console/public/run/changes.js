import { call } from '../page/api.js';
import { reveal } from '../page/format.js';
import { element } from '../page/page.js';

const WORDS = { added: 'new', modified: 'changed', deleted: 'deleted' };

/** Tools after which there may be other files than before. */
export const CHANGING = ['write_file', 'edit_file', 'task'];

/** What a run changed in the workspace: asked for when it is opened. */
export function changes(runId) {
  const body = element('div', { class: 'changes-body' });
  const box = element('details', { class: 'changes' }, element('summary', {}, 'Changed files'), body);
  box.addEventListener('toggle', () => {
    if (box.open && !body.hasChildNodes()) void load(runId, body);
  });
  return box;
}

async function load(runId, body) {
  try {
    const { files } = await call('GET', `/api/agent/runs/${encodeURIComponent(runId)}/diff`);
    body.replaceChildren(...files.map(fileView));
    if (files.length === 0) body.append(element('p', { class: 'quiet' }, 'No file is other than before.'));
  } catch (error) {
    body.replaceChildren(element('p', { class: 'alarm' }, error.message));
  }
}

function fileView({ path, status, diff }) {
  const head = element('p', {}, element('bdi', { class: 'path' }, reveal(path)), ` ${WORDS[status]}`);
  return element('div', {}, head, diff === null ? 'Too long to be shown here.' : diffView(diff));
}

function diffView(diff) {
  const lines = diff
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => element('span', { class: kindOf(line) }, `${reveal(line)}\n`));
  return element('pre', { dir: 'ltr', tabindex: '0' }, ...lines);
}

function kindOf(line) {
  if (/^(?:---|\+\+\+|@@)/.test(line)) return 'quiet';
  return { '+': 'added', '-': 'removed' }[line[0]] ?? 'same';
}
