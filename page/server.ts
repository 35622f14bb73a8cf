import type { TableSchema } from '../src/data/tables/schema.js';

/** A model as the page shows it. */
export interface Model {
  readonly name: string;
  readonly state: string;
  readonly reason: string;
  readonly version?: string;
  /** Numbers of a row. */
  readonly features: number;
  readonly outputs: number;
  /** null: rows are numbers without names. */
  readonly schema: TableSchema | null;
}

/** The token, where one is needed, follows `#token=` in the address; a browser sends no other. */
export function authorization(): Record<string, string> {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

/** Asks the page's server; with a body as a POST of JSON. @throws Error without an answer, or a token */
export async function ask(address: string, body?: unknown): Promise<Response> {
  const response = await fetch(address, {
    headers: {
      ...authorization(),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  });
  if (response.status === 401) throw new Error('the address needs #token=…');
  return response;
}

/** As `ask`, and reads the answer. @throws Error that the server says */
export async function askJson<T>(address: string, body?: unknown): Promise<T> {
  const response = await ask(address, body);
  const answer = (await response.json()) as T & { readonly error?: string };
  if (!response.ok) throw new Error(answer.error ?? response.statusText);
  return answer;
}
