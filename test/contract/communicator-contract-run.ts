import { Communicator, type Transport } from '#src/communicators/communicator.js';
import { communicatorCases } from './communicator-contract-cases.js';
import type { ContractRun } from './communicator-contract.js';
import { failureCases } from './communicator-contract-failures.js';

/** Runs cases by name inside one rank. */
export function runContractCases(
  transport: Transport,
  { cases, thorough }: Pick<ContractRun, 'cases' | 'thorough'>,
): void {
  const communicator = new Communicator(transport);
  for (const name of cases) {
    const run = communicatorCases[name] ?? failureCases[name];
    if (run === undefined) throw new Error(`no contract case ${JSON.stringify(name)}`);
    try {
      run(communicator, thorough);
    } catch (error) {
      const rank = `rank ${communicator.rank} of ${communicator.size}`;
      throw new Error(`${name}, ${rank}: ${String(error)}`, { cause: error });
    }
  }
}
