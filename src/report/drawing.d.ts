import type { Figure } from './figure.js';

/** `page/drawing/svg.ts` with the libraries it needs, as the build bundles it. */
export function chartFile(figure: Figure, width?: number): string;
