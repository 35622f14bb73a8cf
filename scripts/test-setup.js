// Loaded into every test process: one seed for all properties. Ranks are threads that load it too.
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  const { configureGlobal } = await import('fast-check');
  configureGlobal({ seed: Number(process.env['PHANTOM_TEST_SEED']) });
}
