import { describe, test } from 'node:test';
import { communicatorCases } from './communicator-contract-cases.js';
import { failureCases, failureTimeoutS } from './communicator-contract-failures.js';

/** Which cases a group runs: all that work, one after another, or one that breaks the group. */
export interface ContractRun {
  readonly cases: readonly string[];
  /** Whether large groups also take large payloads. */
  readonly thorough: boolean;
  readonly timeoutS: number;
}

/** Starts a group of this size, runs `runContractCases` in every rank, and rejects with what a
 * rank threw. */
export type RunGroup = (size: number, run: ContractRun) => Promise<void>;

export interface CommunicatorContractOptions {
  readonly sizes: readonly number[];
  /** Cases that this implementation cannot keep. */
  readonly skips?: readonly { readonly reason: string; readonly tests: readonly string[] }[];
  /** Group sizes that the failing cases are run with; empty: none. */
  readonly failureSizes?: readonly number[];
  /** Which of the failing cases, by their places in the list. Default: all. */
  readonly failures?: (place: number) => boolean;
  readonly thorough?: boolean;
}

/** The contract of a communicator, as tests of one implementation. */
export function communicatorContract(
  name: string,
  runGroup: RunGroup,
  options: CommunicatorContractOptions,
): void {
  const { thorough = false, failures = () => true } = options;
  const failing = Object.keys(failureCases).filter((_, place) => failures(place));
  const reasons = new Map(
    options.skips?.flatMap(({ reason, tests }) => tests.map((one) => [one, reason])),
  );
  describe(`communicator: ${name}`, () => {
    const cases = Object.keys(communicatorCases).filter((one) => !reasons.has(one));
    for (const size of options.sizes) {
      test(`${cases.length} cases on ${size} ranks`, { timeout: 600_000 }, async () => {
        await runGroup(size, { cases, thorough, timeoutS: 300 });
      });
    }
    for (const size of options.failureSizes ?? []) {
      for (const one of failing) {
        const skip = reasons.get(one) ?? false;
        test(`${one}, ${size} ranks`, { skip, timeout: 300_000 }, async () => {
          await runGroup(size, { cases: [one], thorough, timeoutS: failureTimeoutS(one) });
        });
      }
    }
    for (const one of Object.keys(communicatorCases)) {
      const skip = reasons.get(one);
      if (skip !== undefined) test(one, { skip }, () => {});
    }
  });
}
