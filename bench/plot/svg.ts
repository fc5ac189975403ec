export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export function text(
  x: number,
  y: number,
  said: string,
  options: { anchor?: 'start' | 'middle' | 'end'; size?: number; fill?: string; weight?: string } = {},
): string {
  const { anchor = 'start', size = 12, fill = '#333', weight = 'normal' } = options;
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" font-size="${size}" fill="${fill}" font-weight="${weight}">${escaped(said)}</text>`;
}

export function line(x1: number, y1: number, x2: number, y2: number, stroke = '#ddd', width = 1): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${stroke}" stroke-width="${width}"/>`;
}

export function circle(x: number, y: number, fill: string): string {
  return `<circle cx="${x}" cy="${y}" r="4" fill="${fill}"/>`;
}

export function path(points: [x: number, y: number][], stroke: string): string {
  return `<polyline points="${points.map(([x, y]) => `${x},${y}`).join(' ')}" fill="none" stroke="${stroke}" stroke-width="2"/>`;
}

export function image(width: number, height: number, title: string, parts: string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}
