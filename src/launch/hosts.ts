import { ConfigError } from '../base/errors.js';

/** A machine, and how many processes it takes. */
export interface Host {
  readonly name: string;
  readonly slots: number;
}

/**
 * `a:4,b:4`: hosts and their processes. Without numbers the ranks are spread evenly.
 *
 * @param ranks null: as many as the hosts take
 * @throws ConfigError when the text is of another form, or the ranks do not fit
 */
export function parseHosts(text: string, ranks: number | null): Host[] {
  const parts = text.split(',').map((part) => /^([\w][\w.-]*)(?::([1-9]\d*))?$/.exec(part.trim()));
  const counted = parts.filter((part) => part?.[2] !== undefined).length;
  if (parts.includes(null) || (counted > 0 && counted < parts.length)) {
    const form = 'as in a:4,b:4, or a,b for equal numbers';
    throw new ConfigError('launch', `--hosts ${text}; names with numbers of processes, ${form}`);
  }
  const names = parts.map((part) => part?.[1] ?? '');
  if (counted === 0) {
    const share = (ranks ?? names.length) / names.length;
    if (Number.isInteger(share)) return names.map((name) => ({ name, slots: share }));
    throw new ConfigError(
      'launch',
      `${ranks} ranks on ${names.length} hosts; a multiple of the hosts, or numbers (a:4,b:3)`,
    );
  }
  const hosts = parts.map((part) => ({ name: part?.[1] ?? '', slots: Number(part?.[2]) }));
  const slots = slotsOf(hosts);
  if (ranks !== null && ranks > slots) {
    throw new ConfigError('launch', `${ranks} ranks, --hosts ${text} takes ${slots}; name more`);
  }
  return hosts;
}

export function slotsOf(hosts: readonly Host[]): number {
  return hosts.reduce((sum, host) => sum + host.slots, 0);
}
