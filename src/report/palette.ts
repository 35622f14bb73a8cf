/**
 * Colors of series, in the order in which they are taken. In each list every pair stays apart
 * under protanopia, deuteranopia and tritanopia, and every color has a contrast of 3 or more
 * with the page (`palette.test.ts`). Marks and dashes tell series apart without any color.
 */
export const SERIES_COLORS = {
  light: ['#2f66a8', '#f2590c', '#12a08b', '#cf3df0', '#6c4e03', '#25157e', '#590128'],
  dark: ['#3f6fff', '#e03c10', '#58ecdc', '#8a5f92', '#f2da25', '#aab2ff', '#ffa080'],
} as const;

/** Surfaces and text. */
export const SURFACE_COLORS = {
  light: { page: '#ffffff', ink: '#1b1f26', soft: '#545b66', line: '#c9ced6', panel: '#f4f5f7' },
  dark: { page: '#15181d', ink: '#e9ebee', soft: '#a9b0bb', line: '#3d434d', panel: '#1f242b' },
} as const;

function properties(theme: 'light' | 'dark'): string {
  const surfaces = Object.entries(SURFACE_COLORS[theme]).map(([name, value]) => [name, value]);
  const series = SERIES_COLORS[theme].map((value, i) => [`s${i}`, value]);
  return [...surfaces, ...series].map(([name, value]) => `--${name}:${value}`).join(';');
}

/** Custom properties of both themes; paper is always light. */
export const THEME_CSS =
  `:root{color-scheme:light dark;${properties('light')}}\n` +
  `@media screen and (prefers-color-scheme:dark){:root{${properties('dark')}}}\n`;
