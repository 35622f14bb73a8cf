/** Options of every thread: it has those of its process, but under `--input-type` none, since a thread
 * cannot load a file with it. */
export function workerOptions(): { readonly execArgv?: string[] } {
  const ofText = process.execArgv.some((option) => option.startsWith('--input-type'));
  return ofText ? { execArgv: [] } : {};
}
