/** Something that was done in some size, and what the whole of it took. */
export interface Point {
  size: number;
  total: number;
}

/** The exponent of `total` over `size`: slope of the line through their logarithms, by least squares. */
export function exponentOf(points: Point[]): number {
  const logs = points.map(({ size, total }) => ({ x: Math.log(size), y: Math.log(total) }));
  const [midX, midY] = [mean(logs.map(({ x }) => x)), mean(logs.map(({ y }) => y))];
  const above = logs.reduce((sum, { x, y }) => sum + (x - midX) * (y - midY), 0);
  const below = logs.reduce((sum, { x }) => sum + (x - midX) ** 2, 0);
  return above / below;
}

const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
