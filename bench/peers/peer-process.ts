// A Python program that is asked and answers by lines of JSON.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** How to get what the peers need. */
export const PYTHON_HELP = `The peers need Python with PyTorch, NumPy and, for answers, ONNX Runtime:
  python3 -m venv VENV && VENV/bin/pip install torch numpy onnxruntime
  npm run bench -- peers --python VENV/bin/python`;

export interface PeerProcess {
  /** What it said of itself when it started. */
  readonly hello: Readonly<Record<string, unknown>>;
  ask<Answer>(request: object): Promise<Answer>;
  close(): Promise<void>;
}

/** Why this Python cannot run the peers; null: it can. */
export function missingParts(python: string): string | null {
  const { error, status, stderr } = spawnSync(python, ['-c', 'import torch, numpy'], {
    encoding: 'utf8',
  });
  if (error) return error.message;
  return status === 0 ? null : (stderr.trim().split('\n').at(-1) ?? `exit code ${status}`);
}

/** Starts `bench/peers/<script>` on a folder. */
export async function startPeer(
  python: string,
  script: string,
  folder: string,
): Promise<PeerProcess> {
  const file = fileURLToPath(new URL(`../../../bench/peers/${script}`, import.meta.url));
  const child = spawn(python, [file, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async <Answer>(): Promise<Answer> => {
    const { value, done } = (await lines.next()) as { value: string; done?: boolean };
    if (done) throw new Error(`${script} ended before it answered; its errors are above`);
    return JSON.parse(value) as Answer;
  };
  const hello = await next<Record<string, unknown>>();
  return {
    hello,
    ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return next();
    },
    async close() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}
