/** Counters of a server at a moment, over all its models. */
export interface Sample {
  /** Of the page's clock. */
  readonly atS: number;
  readonly requests: number;
  readonly failures: number;
  /** Sum of latencies. */
  readonly requestS: number;
  /** null: not known. */
  readonly energyJ: number | null;
  readonly obtained: string;
}

const LINE = /^([a-z_]+)(?:\{([^}]*)\})? (\S+)$/;

/** Reads what the page shows of the server's Prometheus text. */
export function sampleOf(text: string, atS: number): Sample {
  const sums = new Map<string, number>();
  let obtained = '';
  for (const line of text.split('\n')) {
    const [, name = '', labels = '', value = ''] = LINE.exec(line) ?? [];
    if (name === '') continue;
    sums.set(name, (sums.get(name) ?? 0) + Number(value));
    if (name === ENERGY) obtained = /obtained="(\w+)"/.exec(labels)?.[1] ?? '';
  }
  const of = (name: string) => sums.get(name) ?? 0;
  return {
    atS,
    requests: of('phantom_requests_total'),
    failures: of('phantom_request_failures_total'),
    requestS: of('phantom_request_seconds_sum'),
    energyJ: sums.get(ENERGY) ?? null,
    obtained,
  };
}

const ENERGY = 'phantom_energy_joules_total';
