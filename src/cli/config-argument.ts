import type { SettingsSource } from '../settings/resolve.js';

/** Settings of the config file on a command line, if there is one: the parser is loaded for it alone.
 * @throws ConfigError */
export async function readConfigArgument(config: string | undefined): Promise<SettingsSource[]> {
  if (config === undefined) return [];
  const { loadConfigFile } = await import('../settings/config-file.js');
  return [loadConfigFile(config)];
}
