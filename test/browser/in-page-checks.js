/* A script that a test runs in the page, to see whether it can be used by everybody: `checks` are its functions. */

/** What somebody can act on, as it is seen now: within the dialog that is open, if one is. */
function controls() {
  const dialogs = document.querySelectorAll('dialog[open]');
  const place = dialogs[dialogs.length - 1] ?? document;
  const nodes = place.querySelectorAll(
    'a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex="-1"])',
  );
  return Array.from(nodes).filter(
    (node) =>
      !node.disabled &&
      !node.closest('[inert]') &&
      node.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) &&
      // Of a group one is reached by Tab, the others by arrows.
      (node.type !== 'radio' || node.checked),
  );
}

const nameOf = (node) =>
  `<${node.localName}${node.id ? ` id=${node.id}` : ''}> ${(node.getAttribute('aria-label') ?? node.textContent ?? '').trim().slice(0, 40)}`;

/** @returns {string[]} what is wrong with the size, the place and the names of what can be acted on */
function inspectControls() {
  const faults = [];
  if (document.documentElement.scrollWidth > innerWidth)
    faults.push(`the page is ${document.documentElement.scrollWidth} wide in ${innerWidth}`);
  for (const node of controls()) {
    const label = node.labels?.[0];
    const { width, height, left, right } = (node.closest('label') ?? node).getBoundingClientRect();
    const isInText = node.localName === 'a' && getComputedStyle(node).display === 'inline';
    if (!isInText && (width < 24 || height < 24))
      faults.push(`${nameOf(node)} has ${Math.round(width)} by ${Math.round(height)}`);
    const isScrolled = node.closest('pre, .table, .code') !== null;
    const isSkipLink = node.id === 'skip';
    if (!isScrolled && !isSkipLink && (left < -1 || right > innerWidth + 1))
      faults.push(`${nameOf(node)} reaches from ${Math.round(left)} to ${Math.round(right)}`);
    const names = [node.getAttribute('aria-label'), node.textContent, label?.textContent, node.title];
    const by = node.getAttribute('aria-labelledby');
    if (by) names.push(document.getElementById(by)?.textContent);
    // A box that scrolls is read as its text.
    if (!names.some((name) => name?.trim())) faults.push(`${nameOf(node)} has no name`);
  }
  return faults;
}

/** Begins to note in `reached` what gets the focus. @returns {number} how much can get it */
function noteFocus() {
  globalThis.reached = new Set([document.activeElement]);
  globalThis.noting ??=
    document.addEventListener('focusin', ({ target }) => globalThis.reached.add(target)) ?? true;
  return controls().length;
}

/** @returns {string[]} what can be acted on and never had the focus */
function unreached() {
  return controls()
    .filter((node) => !globalThis.reached.has(node))
    .map(nameOf);
}

/** @returns {Promise<object>} how the page came to be seen */
async function loadFigures() {
  const shifts = await new Promise((resolve) => {
    let sum = 0;
    const observer = new PerformanceObserver((list) => {
      for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) sum += value;
    });
    observer.observe({ type: 'layout-shift', buffered: true });
    requestAnimationFrame(() => setTimeout(() => resolve(sum), 100));
  });
  const entries = [
    ...performance.getEntriesByType('navigation'),
    ...performance.getEntriesByType('resource'),
  ];
  return {
    requests: entries.length,
    bytes: entries.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
    firstPaintMs: Math.round(performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1),
    layoutShift: Math.round(shifts * 1_000) / 1_000,
  };
}

globalThis.checks = { inspectControls, noteFocus, unreached, loadFigures };
