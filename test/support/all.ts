/** Whether every test runs, as with `npm run test:all`, or those that take minutes. */
export const ALL = process.env['PHANTOM_TEST_ALL'] === '1';
