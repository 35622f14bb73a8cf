import type { Operation } from '#src/layers/operations.js';

/** A called kernel or collective, as a text that can be compared. */
export function called(operation: Operation): string {
  switch (operation.kind) {
    case 'product': {
      const { transposeA, transposeB, rows, columns, inner } = operation;
      return `product ${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'} ${rows}×${columns}×${inner}`;
    }
    case 'elements':
      return `${operation.kernel} ${operation.elements}`;
    case 'start':
      return `start ${operation.collective} ${operation.wholeBytes}`;
    default:
      return `wait ${operation.start.collective} ${operation.start.wholeBytes}`;
  }
}
