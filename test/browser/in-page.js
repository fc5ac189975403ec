/* Functions that a test runs in the page of the console. */

/**
 * @returns {string[]} what of the answers is not as it must be. It knows nothing of how they were made; every element
 * and attribute that is not on its lists is told.
 */
export function inspectAnswers() {
  const tags = new Set(
    'P BR HR H3 H4 H5 H6 UL OL LI BLOCKQUOTE PRE CODE EM STRONG DEL A TABLE THEAD TBODY TR TH TD DIV SPAN BUTTON'.split(
      ' ',
    ),
  );
  const attributes = new Set(
    'class dir href title target rel referrerpolicy start align role aria-label aria-live tabindex type'.split(
      ' ',
    ),
  );
  const classes = new Set(['', 'code', 'code-head quiet', 'plain', 'plain-text', 'table', 'address quiet']);
  const values = {
    dir: ['ltr', 'auto'],
    role: ['region'],
    'aria-label': ['Table'],
    'aria-live': ['polite'],
    tabindex: ['0'],
    type: ['button'],
    align: ['left', 'right', 'center'],
  };
  // The emoji of several parts that the rows hold: none.
  const hidden =
    /[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\u2028\u2029\ufff9-\ufffb]|(?![\t\n\r])\p{Cc}/u;
  const faults = [];
  for (const answer of document.querySelectorAll('.answer')) {
    if (hidden.test(answer.textContent ?? '')) faults.push('a hidden character in the text');
    for (const node of answer.querySelectorAll('*')) {
      if (!tags.has(node.tagName) || node.namespaceURI !== 'http://www.w3.org/1999/xhtml')
        faults.push(`<${node.tagName}>`);
      for (const { name, value } of node.attributes) {
        const fits = attributes.has(name) && (values[name]?.includes(value) ?? true);
        if (!fits || hidden.test(value)) faults.push(`<${node.tagName} ${name}="${value.slice(0, 80)}">`);
      }
      if (!classes.has(node.className)) faults.push(`class ${node.className}`);
      if (node instanceof HTMLButtonElement && !/^(Copy|Copied|Selected)$/.test(node.textContent ?? ''))
        faults.push(`a button ${node.textContent}`);
      if (!(node instanceof HTMLAnchorElement)) continue;
      const seen = `${node.textContent}${node.nextElementSibling?.textContent ?? ''}`;
      const bare = node.href.replace(/^(https?:\/\/|mailto:)/, '').slice(0, 20);
      if (!['http:', 'https:', 'mailto:'].includes(node.protocol)) faults.push(`a link to ${node.href}`);
      if (node.rel !== 'noopener noreferrer nofollow') faults.push(`rel ${node.rel}`);
      if (node.target !== '_blank' || node.title !== node.href) faults.push('target or title of a link');
      if (node.username !== '' || !seen.includes(bare.replace(/\/$/, '')))
        faults.push(`unseen address ${node.href}`);
    }
  }
  if (
    document.querySelectorAll(
      'iframe, img, svg, script:not([src^="/console/"], head > [type="importmap"]), form:not(#composer, #sign-in-form, #key-form, #search-form, #rename-form, #share-form)',
    ).length
  )
    faults.push('an element of another kind in the page');
  return faults;
}

/** @returns {string} what the answers are made of */
export function shownAnswers() {
  return Array.from(document.querySelectorAll('.answer'), (node) => node.innerHTML).join('\n');
}

/** Notes in `violations` what the page's policy had to refuse. */
export function noteViolations() {
  globalThis.violations = [];
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    globalThis.violations.push(`${violatedDirective} ${blockedURI}`),
  );
}

/** Counts in `removals` the elements that are taken out of the page. */
export function countRemovals() {
  globalThis.removals = 0;
  new MutationObserver((records) => {
    for (const { removedNodes } of records)
      globalThis.removals += Array.from(removedNodes).filter(
        (node) => node.nodeType === Node.ELEMENT_NODE,
      ).length;
  }).observe(document.body, { childList: true, subtree: true });
}
