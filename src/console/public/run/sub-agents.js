import { call } from '../page/api.js';
import { element } from '../page/page.js';

/** The tool that has another agent work. */
export const STARTING = 'task';

/** Shows where the agent works that a call has started: asked for when the card of the call is opened. */
export function linkSubAgent(runId, card) {
  const place = element('p', { class: 'sub-agent' });
  card.add(place);
  card.element.addEventListener('toggle', () => {
    if (card.element.open && !place.hasChildNodes()) void show(place, runId, card.id);
  });
}

async function show(place, runId, callId) {
  try {
    const { data } = await call('GET', `/api/agent/runs/${encodeURIComponent(runId)}/sub_agents`);
    const child = data.findLast(({ parent }) => parent?.tool_call_id === callId);
    if (!child) return;
    const words = `What the sub-agent did${child.agent ? ` (${child.agent})` : ''}`;
    place.replaceChildren(element('a', { href: `#${child.session_id}` }, words));
  } catch (error) {
    place.replaceChildren(error.message);
  }
}
