// The tiers, from the largest.
const TIERS: [from: number, percent: number][] = [
  [1000, 30],
  [100, 15],
  [10, 5],
];

export function percentFor(quantity: number): number {
  return TIERS.find(([from]) => quantity >= from)?.[1] ?? 0;
}
