// A table of houses: an id, numbers with gaps, a category, and a price that follows from them.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { train } from 'phantom-parallel';

export const NETWORK = {
  width: 16,
  blocks: 2,
  ghosts: 4,
  ranks: 1,
  engine: 'wasm',
  meter: 'none',
} as const;

export interface House {
  readonly id: string;
  readonly sqft: number;
  readonly kind: string;
  /** null: a gap. */
  readonly age: number | null;
  readonly price: number;
}

export const KINDS = ['flat', 'house', 'villa'];

/** Prices that follow from the other columns. */
export const HOUSES: readonly House[] = Array.from({ length: 200 }, (_, i) => {
  const sqft = 40 + ((i * 37) % 200);
  const kind = KINDS[i % 3];
  const age = i % 7 === 0 ? null : (i * 13) % 90;
  return {
    id: `h${i}`,
    sqft,
    kind,
    age,
    price: 3000 * sqft + 50_000 * (i % 3) - 500 * (age ?? 40),
  };
});

export type Column = keyof House;
export const COLUMNS: readonly Column[] = ['id', 'sqft', 'kind', 'age', 'price'];

export function csv(columns: readonly Column[], gap = ''): string {
  const cell = (value: string | number | null) => (value === null ? gap : String(value));
  const rows = HOUSES.map((house) => columns.map((column) => cell(house[column])).join(','));
  return `${[columns.join(','), ...rows].join('\n')}\n`;
}

/** Trains a network that answers with prices for two steps. @returns its run folder */
export async function trainHouses(folder: string): Promise<string> {
  const data = path.join(folder, 'houses.csv');
  writeFileSync(data, csv(COLUMNS));
  const out = path.join(folder, 'houses');
  await train({ ...NETWORK, data, id: 'id', target: ['price'], steps: 2, out });
  return out;
}
