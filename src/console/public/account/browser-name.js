import { reveal } from '../page/format.js';

/** Names that stand in a browser's own words; each says those of the ones after it too. */
const BROWSERS = [
  ['Edg/', 'Edge'],
  ['OPR/', 'Opera'],
  ['Firefox/', 'Firefox'],
  ['Chrome/', 'Chrome'],
  ['Safari/', 'Safari'],
];
const SYSTEMS = [
  ['Android', 'Android'],
  ['iPhone', 'iPhone'],
  ['iPad', 'iPad'],
  ['Windows', 'Windows'],
  ['Mac OS', 'macOS'],
  ['Linux', 'Linux'],
];

/** `Firefox on Linux`; what is not known by name is said as it came, cut. */
export function browserName(agent) {
  if (!agent) return 'A browser without a name';
  const browser = BROWSERS.find(([sign]) => agent.includes(sign))?.[1];
  const system = SYSTEMS.find(([sign]) => agent.includes(sign))?.[1];
  if (browser === undefined) return reveal(agent.slice(0, 60));
  return system === undefined ? browser : `${browser} on ${system}`;
}
